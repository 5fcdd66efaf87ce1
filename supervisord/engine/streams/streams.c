/*
 * The first engine makes the holding pipe and gives the launcher both ends to keep; a later
 * one gets them back, with what the last one had in it. That is written before anything else
 * is read: by then services have their sinks and counters back, and those that wait for a line
 * look out for it again.
 *
 * A pipe is closed with its generation, unless something in it still waits for a log. Nobody waits
 * for that: the pipe is left to the next generation, which writes into it behind what is there. So
 * a stream never has two, and who has the pipe has all that is not logged yet: the launcher keeps
 * it with the generation that left it until it has it with the next one.
 */
#include "engine/streams/streams.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/logs/fanout.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/streams/stream_sinks.h"

/* The most that is looked at of a pipe that is given up. */
#define STREAM_MAX_PIPE (1024 * 1024)

/* --- a service's streams --- */

static void close_pipe(struct stream *t)
{
	pump_stop(&t->pump);
	t->fd = close_fd(t->fd);
}

/* Takes over fd. 0 or -errno. */
static int begin_pipe(struct stream *t, int fd)
{
	int r = pump_start(&t->pump, fd);

	if (r < 0) {
		log_error("service '%s': cannot watch its output: %s", t->service->name,
			strerror(-r));
		close_fd(fd);
		return r;
	}
	t->fd = fd;
	return 0;
}

/* What nobody waits for any longer is dropped, counted and told. */
static void abandon_pipe(struct stream *t)
{
	char data[16384];
	uint64_t total = 0;
	ssize_t n;

	/* Bounded: whoever writes still doesn't keep us here. */
	while (total < STREAM_MAX_PIPE && (n = sys_read(t->fd, data, sizeof(data))) > 0) {
		fanout_refuse(&t->pump, data, (size_t)n, SINK_WHY_LEFT);
		total += (uint64_t)n;
	}
	if (total > 0)
		log_warning("service '%s': %" PRIu64 " bytes of its output, which waited for its "
			    "log, are dropped",
			t->service->name, total);
	close_pipe(t);
}

void streams_free(struct service *s)
{
	for (unsigned k = 0; k < s->n_streams; k++) {
		struct stream *t = &s->streams[k];

		if (t->fd >= 0 && (s->removed || s->engine->leaving))
			abandon_pipe(t);
		close_pipe(t); /* the next engine gets it from the launcher */
		stream_sinks_free(t);
	}
	free(s->streams);
	s->streams = NULL;
	s->n_streams = 0;
}

static bool has_pipe(const struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++)
		if (s->streams[i].fd >= 0)
			return true;
	return false;
}

/* Of that generation and those before it, the launcher needs to keep nothing any more. */
static void release(struct service *s, uint64_t generation)
{
	if (s->left_generation <= generation)
		s->left_generation = 0;
	if (generation == 0)
		return; /* its spawn never got to the launcher */
	s->outbox.release_generation = generation;
	uplink_tell(s, UPLINK_RELEASE);
}

static void end_pipe(struct stream *t)
{
	pump_end_output(&t->pump);
	service_commit_counters(t->service);
	close_pipe(t);
}

void streams_pipe_ended(struct pump *p)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);
	struct service *s = t->service;

	end_pipe(t);
	if (s->left_generation > 0 && !has_pipe(s))
		release(s, s->left_generation);
}

int streams_new(struct service *s)
{
	unsigned n = s->spec->split_stderr ? 2 : 1;

	s->streams = calloc(n, sizeof(*s->streams));
	if (!s->streams)
		return -ENOMEM;
	while (s->n_streams < n) {
		struct stream *t = &s->streams[s->n_streams];
		int r;

		t->service = s;
		t->fd = -1;
		pump_init(&t->pump, &s->engine->pumps, &t->sink, s->id, s->n_streams);
		s->n_streams++;
		r = stream_sinks_init(t);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What still waits goes on in the first stream; for a second pipe, there is no place there. */
static void move_pipe(struct stream *from, struct stream *to)
{
	int fd = from->fd;

	if (fd < 0)
		return;
	if (to->fd >= 0) {
		abandon_pipe(from);
		return;
	}
	pump_stop(&from->pump);
	from->fd = -1;
	(void)begin_pipe(to, fd);
}

/* Another number of pipes: only between two generations. */
static void renew_streams(struct service *s)
{
	struct stream *old = s->streams;
	uint8_t n_old = s->n_streams;

	s->streams = NULL;
	s->n_streams = 0;
	if (streams_new(s) < 0) {
		streams_free(s);
		s->streams = old; /* what comes through a pipe too many is read by nobody */
		s->n_streams = n_old;
		log_error("service '%s': no memory for its logs", s->name);
		return;
	}
	s->streams[0].sink.counters = old[0].sink.counters;
	s->streams[0].sink.at = old[0].sink.at;
	s->streams[0].sink.lost_bytes = old[0].sink.lost_bytes;
	s->streams[0].sink.lost_lines = old[0].sink.lost_lines;
	s->streams[0].sink.lost_why = old[0].sink.lost_why;
	s->streams[0].pump.through = old[0].pump.through;
	stream_sinks_move_consumers(&old[0], &s->streams[0]);
	for (unsigned i = 0; i < n_old; i++) {
		move_pipe(&old[i], &s->streams[0]);
		stream_sinks_free(&old[i]);
	}
	free(old);
}

void streams_configure(struct service *s)
{
	if (s->n_streams != (s->spec->split_stderr ? 2 : 1))
		renew_streams(s);
	else
		for (unsigned i = 0; i < s->n_streams; i++)
			stream_sinks_configure(&s->streams[i]);
	service_commit_counters(s);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return sys_fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Told again after the engine's restart or a REFETCH, or left to it, it is the one that we have. */
static void take_pipe(struct stream *t, int fd)
{
	uint64_t inode = inode_of(fd);

	if (t->fd >= 0 && inode_of(t->fd) != inode) {
		(void)pump_drain(&t->pump, PUMP_DRAIN_MAX);
		abandon_pipe(t);
	}
	if (t->fd >= 0)
		close_fd(fd);
	else if (begin_pipe(t, fd) < 0)
		inode = 0;
	t->inode = inode;
}

void service_take_pipes(struct service *s, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++) {
		if (i >= s->n_streams || fds[i] < 0) {
			fds[i] = close_fd(fds[i]);
			continue;
		}
		take_pipe(&s->streams[i], TAKE_FD(fds[i]));
	}
	/* The launcher has what was left with the process that it was left to. */
	if (n_fds > 0 && s->left_generation > 0)
		release(s, s->left_generation);
}

/* --- of a process that is being started --- */

struct made {
	struct part part;
	struct pipes pipes;
};

const struct pipes *service_made_pipes(const struct service *s)
{
	static const struct pipes none;
	const struct made *m = part_find(s, PART_PIPES);

	return m ? &m->pipes : &none;
}

struct pipes *service_make_pipes(struct service *s)
{
	struct made *m = part_get(s, PART_PIPES, sizeof(*m));

	return m ? &m->pipes : NULL;
}

void service_drop_made_pipes(struct service *s)
{
	struct made *m = part_find(s, PART_PIPES);

	if (!m)
		return;
	pipes_close(&m->pipes);
	part_drop(s, PART_PIPES);
}

void service_drain_untold(struct service *s)
{
	struct made *m = part_find(s, PART_PIPES);
	struct pipes *p = m ? &m->pipes : NULL;

	if (!p || p->generation != core_record(s->engine->core, s->id)->generation)
		return;
	for (unsigned i = 0; i < s->n_streams; i++)
		if (s->streams[i].fd < 0 && p->read[i] >= 0)
			(void)begin_pipe(&s->streams[i], TAKE_FD(p->read[i]));
	service_drain(s);
}

void service_drain(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		if (t->fd >= 0 && pump_drain(&t->pump, PUMP_DRAIN_MAX) == PUMP_ENDED)
			streams_pipe_ended(&t->pump);
	}
	service_commit_counters(s);
}

/* All processes are gone: what doesn't wait is over, the rest is left to the next one. */
static void leave_pipes(struct service *s)
{
	service_drain(s);
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		if (t->fd >= 0 && t->pump.waiting && s->removed)
			abandon_pipe(t);
		else if (t->fd >= 0 && !t->pump.waiting)
			end_pipe(t);
	}
	if (!has_pipe(s))
		release(s, s->told_generation);
	else if (s->left_generation == 0)
		s->left_generation = s->told_generation;
}

void service_close_pipes(struct service *s)
{
	service_drop_made_pipes(s); /* its process was never told of */
	leave_pipes(s);
}

static uint64_t taken_of(const struct stream *t)
{
	return t->sink.counters.bytes + t->sink.counters.dropped_bytes;
}

/* What few services ever have is kept there alone. */
static struct recovery_counters *kept_of(const struct stream *t)
{
	struct service *s = t->service;

	return recovery_counters(&s->engine->store.area, s->id, (unsigned)(t - s->streams));
}

uint64_t *stream_seen_generation(const struct stream *t)
{
	return &kept_of(t)->seen_generation;
}

void streams_begin(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];
		int pending = 0;

		t->inode = 0;

		if (t->fd >= 0 && sys_pending(t->fd, &pending) == 0 && pending > 0)
			kept_of(t)->begun_bytes = taken_of(t) + (uint64_t)pending;
	}
}

uint64_t stream_left(const struct stream *t)
{
	uint64_t begun = kept_of(t)->begun_bytes, taken = taken_of(t);

	return begun > taken ? begun - taken : 0;
}

void service_take_rest(struct service *s, uint64_t generation, int *fds, unsigned n_fds)
{
	bool followed = s->told_generation > generation;

	for (unsigned i = 0; i < n_fds; i++) {
		if (!followed && i < s->n_streams && s->streams[i].fd < 0 && fds[i] >= 0)
			(void)begin_pipe(&s->streams[i], TAKE_FD(fds[i]));
		fds[i] = close_fd(fds[i]);
	}
	if (followed) {
		release(s, generation); /* who has followed has what was left */
		return;
	}
	s->told_generation = generation;
	leave_pipes(s);
}

void streams_give_up(struct service *s)
{
	if (s->left_generation == 0)
		return;
	for (unsigned i = 0; i < s->n_streams; i++)
		if (s->streams[i].fd >= 0)
			abandon_pipe(&s->streams[i]);
	release(s, s->left_generation);
}

/* --- what the pumps have in common --- */

static struct pump *find(struct pump_set *set, uint32_t id, unsigned stream)
{
	struct engine *e = CONTAINER_OF(set, struct engine, pumps);
	struct service *s = services_by_id(e, id);

	return s && stream < s->n_streams ? &s->streams[stream].pump : NULL;
}

static void account(struct pump *p)
{
	service_commit_counters(CONTAINER_OF(p, struct stream, pump)->service);
}

static void each(struct pump_set *set, void (*visit)(struct pump *p))
{
	struct engine *e = CONTAINER_OF(set, struct engine, pumps);

	for (uint32_t i = 0; i < e->n_services; i++)
		for (unsigned k = 0; k < e->services[i]->n_streams; k++)
			visit(&e->services[i]->streams[k].pump);
}

_Static_assert(RECOVERY_INTENT_SIZE >= INTENT_ROOM_SIZE, "the recovery area has room for it");

/* The area moves when it grows. */
static void *room(struct ledger *l)
{
	return recovery_intent(&CONTAINER_OF(l, struct engine, pumps.ledger)->store.area);
}

/* Both ends, or none: a single one is of no use to the next engine. */
static int keep(struct engine *e)
{
	int r = uplink_keep(e, LINK_KEEP_HOLD_READ, e->pumps.hold.read_fd);

	return r == 0 ? uplink_keep(e, LINK_KEEP_HOLD_WRITE, e->pumps.hold.write_fd) : r;
}

void streams_init(struct engine *e)
{
	static const struct pump_owner owner = {find, account, each};
	int read_fd = uplink_take_kept(e, LINK_KEEP_HOLD_READ);
	int write_fd = uplink_take_kept(e, LINK_KEEP_HOLD_WRITE);
	bool kept = read_fd >= 0 && write_fd >= 0;
	int r;

	e->pumps.rest_usec = PUMP_REST_USEC;
	e->pumps.tap = ready_log_tap;
	r = pump_set_hold(&e->pumps, read_fd, write_fd, room, &e->sinks, &owner);
	if (r < 0 || kept)
		return;
	r = keep(e);
	if (r == 0)
		return;
	log_error("cannot give the launcher the holding pipe of the logs: %s; what services write "
		  "can be lost when the engine is killed",
		strerror(-r));
	e->pumps.ledger.room = NULL;
}

void streams_recover(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++)
		ready_resume(e->services[i]);
	pump_set_redo(&e->pumps);
	/* What the last engine owed is owed by us. */
	for (uint32_t i = 0; i < e->n_services; i++)
		for (unsigned k = 0; k < e->services[i]->n_streams; k++)
			if (fanout_owes(&e->services[i]->streams[k].pump))
				pump_set_owe(&e->pumps);
}

void streams_commit(struct engine *e)
{
	if (e->pumps.ledger.room)
		ledger_commit(&e->pumps.ledger, (enum intent_phase)e->pumps.ledger.intent.phase);
}
