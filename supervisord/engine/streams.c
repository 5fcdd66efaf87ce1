/*
 * The first engine makes the holding pipe and gives the launcher both ends to keep; a later
 * one gets them back, with what the last one had in it. That is written before anything else
 * is read: by then services have their sinks and counters back, and those that wait for a line
 * look out for it again.
 *
 * A pipe is closed with its generation, unless something in it still waits for a log: then it
 * lingers. Nobody waits for it but the pipes of later generations, which are read after it. The
 * launcher keeps a copy as long as no later one begins.
 */
#include "engine/streams.h"

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
#include "engine/stream_sinks.h"

/* Generations whose output waits behind that of an earlier one. */
#define STREAM_MAX_LATER 8
/* The most that is looked at of a pipe that is given up. */
#define STREAM_MAX_PIPE (1024 * 1024)

/* --- a service's streams --- */

/* A pipe whose turn comes when those of earlier generations are at their end. */
struct later {
	struct later *next;
	uint64_t generation;
	int fd; /* owned */
};

static struct later **end_of(struct stream *t)
{
	struct later **end = &t->later;

	while (*end)
		end = &(*end)->next;
	return end;
}

/* Takes over fd. -ENOMEM, and it is closed. */
static int add_later(struct stream *t, int fd, uint64_t generation)
{
	struct later *l = malloc(sizeof(*l));

	if (!l) {
		close_fd(fd);
		return -ENOMEM;
	}
	*l = (struct later){NULL, generation, fd};
	*end_of(t) = l;
	return 0;
}

static void close_pipe(struct stream *t)
{
	pump_stop(&t->pump);
	t->fd = close_fd(t->fd);
}

/* Takes over fd. 0 or -errno. */
static int begin_pipe(struct stream *t, int fd, uint64_t generation)
{
	int r = pump_start(&t->pump, fd);

	if (r < 0) {
		log_error("service '%s': cannot watch its output: %s", t->service->name,
			strerror(-r));
		close_fd(fd);
		return r;
	}
	t->fd = fd;
	t->generation = generation;
	return 0;
}

/* The next one that has waited for it. */
static void begin_later(struct stream *t)
{
	while (t->fd < 0 && t->later) {
		struct later *l = t->later;

		t->later = l->next;
		(void)begin_pipe(t, l->fd, l->generation);
		free(l);
	}
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

static void abandon_all(struct stream *t)
{
	while (t->fd >= 0) {
		abandon_pipe(t);
		begin_later(t);
	}
}

void streams_free(struct service *s)
{
	for (unsigned k = 0; k < s->n_streams; k++) {
		struct stream *t = &s->streams[k];

		if (s->removed || s->engine->leaving)
			abandon_all(t);
		while (t->fd >= 0) { /* the next engine gets them from the launcher */
			close_pipe(t);
			begin_later(t);
		}
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

static void release(struct service *s)
{
	s->lingers = false;
	if (s->told_generation == 0)
		return; /* its spawn never got to the launcher */
	/* Not the core's: a restart has gone on to the next generation already. */
	s->outbox.release_generation = s->told_generation;
	uplink_tell(s, UPLINK_RELEASE);
}

static void on_pipe_ended(struct pump *p)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);

	pump_end_output(p);
	service_commit_counters(t->service);
	close_pipe(t);
	begin_later(t);
	if (t->service->lingers && !has_pipe(t->service))
		release(t->service);
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
		pump_init(
			&t->pump, &s->engine->pumps, &t->sink, s->id, s->n_streams, on_pipe_ended);
		s->n_streams++;
		r = stream_sinks_init(t);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What still waits in pipes goes on in the first stream. */
static void move_pipes(struct stream *from, struct stream *to)
{
	while (from->fd >= 0) {
		int fd = from->fd;

		pump_stop(&from->pump);
		from->fd = -1;
		if (add_later(to, fd, from->generation) < 0)
			log_error("service '%s': no memory for what it wrote", to->service->name);
		begin_later(from);
	}
	begin_later(to);
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
	s->streams[0].pump.through = old[0].pump.through;
	stream_sinks_move_consumers(&old[0], &s->streams[0]);
	for (unsigned i = 0; i < n_old; i++) {
		move_pipes(&old[i], &s->streams[0]);
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

/*
 * Behind those of earlier generations, if anything still waits in these: what was written first
 * is logged first. Too many of them, and the first is given up.
 */
static int take_pipe(struct stream *t, int fd, uint64_t generation)
{
	unsigned n = 0;

	if (t->fd < 0)
		return begin_pipe(t, fd, generation);
	for (const struct later *l = t->later; l; l = l->next)
		n++;
	if (n >= STREAM_MAX_LATER) {
		abandon_pipe(t);
		begin_later(t);
	}
	return add_later(t, fd, generation);
}

/* Does it have the pipe of this generation already? */
static bool has_pipe_of(const struct stream *t, uint64_t generation)
{
	const struct later *l = t->later;

	while (l && l->generation != generation)
		l = l->next;
	return l || (t->fd >= 0 && t->generation == generation);
}

int streams_last_pipe(const struct stream *t)
{
	const struct later *l = t->later;

	while (l && l->next)
		l = l->next;
	return l ? l->fd : t->fd;
}

void service_take_pipes(struct service *s, int *fds, unsigned n_fds)
{
	uint64_t generation = core_record(s->engine->core, s->id)->generation;

	for (unsigned i = 0; i < n_fds; i++) {
		struct stream *t = i < s->n_streams ? &s->streams[i] : NULL;
		struct stat st;

		/* Told again after the engine's restart or a REFETCH: the one we have will do. */
		if (!t || fds[i] < 0 || has_pipe_of(t, generation)) {
			fds[i] = close_fd(fds[i]);
			continue;
		}
		s->pipe_inodes[i] = sys_fstat(fds[i], &st) == 0 ? st.st_ino : 0;
		if (take_pipe(t, TAKE_FD(fds[i]), generation) < 0)
			s->pipe_inodes[i] = 0;
	}
	ready_attach(s);
}

void service_drain_untold(struct service *s)
{
	struct pipes *p = &s->pipes;

	if (p->generation == 0 || p->generation != core_record(s->engine->core, s->id)->generation)
		return;
	service_take_pipes(s, p->read, MIN_OF((unsigned)s->n_streams, (unsigned)PLAN_PIPE_READY));
	service_drain(s);
}

void service_drain(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		while (t->fd >= 0 && pump_drain(&t->pump, PUMP_DRAIN_MAX) == PUMP_ENDED)
			on_pipe_ended(&t->pump);
	}
	service_commit_counters(s);
}

void service_close_pipes(struct service *s)
{
	service_drain(s);
	pipes_close(&s->pipes); /* its process was never told of */
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		while (t->fd >= 0 && !t->pump.waiting) {
			on_pipe_ended(&t->pump);
			if (t->fd >= 0)
				(void)pump_drain(&t->pump, PUMP_DRAIN_MAX);
		}
		if (s->removed)
			abandon_all(t);
	}
	s->lingers = has_pipe(s);
	if (!s->lingers)
		release(s);
}

void service_take_rest(struct service *s, uint64_t generation, int *fds, unsigned n_fds)
{
	s->told_generation = generation;
	service_take_pipes(s, fds, n_fds);
	service_close_pipes(s);
}

void streams_begin_generation(struct service *s)
{
	if (s->lingers)
		release(s);
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
	static const struct pump_owner owner = {find, account};
	int read_fd = uplink_take_kept(e, LINK_KEEP_HOLD_READ);
	int write_fd = uplink_take_kept(e, LINK_KEEP_HOLD_WRITE);
	bool kept = read_fd >= 0 && write_fd >= 0;
	int r;

	e->pumps.rest_usec = PUMP_REST_USEC;
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
}

void streams_commit(struct engine *e)
{
	if (e->pumps.ledger.room)
		ledger_commit(&e->pumps.ledger, (enum intent_phase)e->pumps.ledger.intent.phase);
}
