/*
 * There is no queue: messages are made from the state of the launcher at the moment
 * when the link takes them. What was told and then lost with an engine is told again
 * because the next engine's HELLO marks everything.
 *
 * The order is part of the contract: inputs, other kept descriptors, starts, refusals, exits by
 * serial, signals, SYNCED when nothing else is left, and how the last upgrade went.
 */
#include "launcher/engine/outbox.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/spawn/spawn.h"

void outbox_start(struct launcher *l)
{
	l->tell_kept = 0;
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		if (l->kept[tag] >= 0)
			l->tell_kept |= UINT32_C(1) << tag;
	table_tell_all(&l->table);
	for (int signo = 0; signo < N_SIGNALS; signo++)
		l->signals[signo].told = false;
	l->tell_synced = true;
	l->upgrade.tell = l->upgrade.known;
}

void outbox_close(struct launcher *l)
{
	l->engine.link = close_fd(l->engine.link);
	table_drop_refusals(&l->table); /* they are nobody's, and would hold up the next one */
	l->retry_usec = USEC_INFINITY;
}

bool outbox_takes_orders(const struct launcher *l)
{
	return !spawner_is_full(l->spawner) && !table_is_full_of_refusals(&l->table);
}

static int send_input(struct launcher *l, struct service *s)
{
	struct link_message m = {.type = LINK_KEPT, .value = LINK_KEEP_INPUT, .id = s->id};
	int r = link_send(l->engine.link, &m, &s->input, 1);

	if (r == 0)
		table_told_input(&l->table, s);
	return r;
}

static int send_kept(struct launcher *l)
{
	int tag = __builtin_ctz(l->tell_kept), r;
	struct link_message m = {.type = LINK_KEPT, .value = (uint32_t)tag};

	r = link_send(l->engine.link, &m, &l->kept[tag], 1);
	if (r == 0)
		l->tell_kept &= l->tell_kept - 1;
	return r;
}

static int send_start(struct launcher *l, struct entry *e)
{
	struct link_message m = {.type = LINK_STARTED,
		.id = e->service->id,
		.generation = e->generation,
		.pid = e->told_pid,
		.started = e->note->start};
	int fds[ENTRY_PIPES], r;
	unsigned n = 0;

	for (int i = 0; i < ENTRY_PIPES; i++)
		if (e->read_fds[i] >= 0)
			fds[n++] = e->read_fds[i];
	if (e->read_fds[ENTRY_READY_PIPE] >= 0)
		m.started.flags |= LINK_STARTED_READY_FD;
	r = link_send(l->engine.link, &m, fds, n);
	if (r == 0)
		table_told_start(&l->table, e);
	return r;
}

static int send_refusal(struct launcher *l, const struct refusal *refusal)
{
	struct link_message m = {.type = LINK_REFUSED,
		.id = refusal->id,
		.generation = refusal->generation,
		.pid = refusal->pid,
		.value = (uint32_t)refusal->error};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		table_told_refusal(&l->table);
	return r;
}

static int send_exit(struct launcher *l, struct entry *e)
{
	struct link_message m = {.type = LINK_EXITED,
		.id = e->service->id,
		.generation = e->generation,
		.serial = e->note->serial,
		.pid = e->note->exit.error != 0 ? 0 : e->told_pid,
		.exit = e->note->exit};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		table_told_exit(&l->table, e);
	return r;
}

static int next_signal(struct launcher *l)
{
	for (int signo = 1; signo < N_SIGNALS; signo++)
		if (l->signals[signo].count > 0 && !l->signals[signo].told)
			return signo;
	return 0;
}

static int send_signal(struct launcher *l, int signo)
{
	struct pending_signal *p = &l->signals[signo];
	struct link_message m = {.type = LINK_SIGNALLED,
		.signo = signo,
		.pid = (int32_t)p->pid,
		.value = (uint32_t)p->uid};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		p->told = true;
	return r;
}

static int send_ping(struct launcher *l)
{
	struct link_message m = {.type = LINK_PING};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		l->tell_ping = false;
	return r;
}

static int send_synced(struct launcher *l)
{
	const uint64_t *nofile = l->spawner->nofile;
	struct link_message m = {.type = LINK_SYNCED, .synced = {{nofile[0], nofile[1]}}};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		l->tell_synced = false;
	return r;
}

static int send_upgraded(struct launcher *l)
{
	struct link_message m = {.type = LINK_UPGRADED,
		.op = l->upgrade.known_op,
		.value = (uint32_t)l->upgrade.known_error};
	int r = link_send(l->engine.link, &m, NULL, 0);

	if (r == 0)
		l->upgrade.tell = false;
	return r;
}

/* 0: sent one; 1: nothing to send; -errno. */
static int send_next(struct launcher *l)
{
	const struct refusal *refusal;
	struct service *s;
	struct entry *e;
	int signo;

	if (l->tell_ping)
		return send_ping(l);
	if (!l->engine.hello)
		return 1;
	s = table_next_input(&l->table);
	if (s)
		return send_input(l, s);
	if (l->tell_kept)
		return send_kept(l);
	e = table_next_start(&l->table);
	if (e)
		return send_start(l, e);
	refusal = table_next_refusal(&l->table);
	if (refusal)
		return send_refusal(l, refusal);
	e = table_next_exit(&l->table);
	if (e)
		return send_exit(l, e);
	signo = next_signal(l);
	if (signo > 0)
		return send_signal(l, signo);
	if (l->tell_synced)
		return send_synced(l);
	if (l->upgrade.tell)
		return send_upgraded(l);
	return 1;
}

/*
 * Room to send is only watched for while something is to be sent.
 */
static void watch_link(struct launcher *l, bool want_room)
{
	uint32_t interest = (want_room ? (uint32_t)EPOLLOUT : 0) |
			    (outbox_takes_orders(l) ? (uint32_t)EPOLLIN : 0);
	struct epoll_event event = {.events = interest, .data.ptr = &l->engine};

	if (l->engine.interest == interest)
		return;
	if (sys_epoll_ctl(l->epoll, EPOLL_CTL_MOD, l->engine.link, &event) == 0)
		l->engine.interest = interest;
	else
		l->retry_usec = usec_now(CLOCK_MONOTONIC) + SEND_RETRY_USEC;
}

void outbox_flush(struct launcher *l)
{
	bool sent = false;
	int r;

	if (l->engine.link < 0)
		return;
	l->retry_usec = USEC_INFINITY;
	while ((r = send_next(l)) == 0)
		sent = true;
	if (sent)
		l->engine.told_usec = usec_now(CLOCK_MONOTONIC);
	if (r == -EPIPE || r == -ECONNRESET)
		table_drop_refusals(&l->table); /* what it sent is still to be read */
	watch_link(l, r == -EAGAIN);
	/*
	 * A peer that is gone shows as the end of what it sent. Anything else (memory,
	 * too many descriptors on their way) passes.
	 */
	if (r < 0 && r != -EAGAIN && r != -EPIPE && r != -ECONNRESET)
		l->retry_usec = usec_now(CLOCK_MONOTONIC) + SEND_RETRY_USEC;
}
