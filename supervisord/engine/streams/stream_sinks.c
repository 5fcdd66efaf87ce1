/*
 * Further sinks are allocated one by one and chained to the stream's own: first those of
 * log.also, in its order, then consumers. The place in the chain is what the log pump's intent goes
 * by, so files keep it over a restart of the engine.
 */
#include "engine/streams/stream_sinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/logs/fanout.h"
#include "engine/service.h"

struct further {
	struct sink sink;
	struct stream *stream;
	char *address; /* owned; of a file its path; NULL: the kind has none */
};

static struct further *further_of(const struct sink *k)
{
	return CONTAINER_OF((struct sink *)k, struct further, sink);
}

static const struct stream *stream_of(const struct sink *k)
{
	return k->further ? further_of(k)->stream
			  : CONTAINER_OF((struct sink *)k, struct stream, sink);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * What a target's address means for this service: of a file the absolute path. Owned by the
 * caller. -ENOMEM; 0 also where there is none.
 */
static int expand(const struct service *s, const struct spec_target *target, char **ret)
{
	_cleanup_free_
	char *text = NULL;

	if (target->address) {
		text = spec_expand(target->address, s->spec, s->instance);
		if (!text)
			return -ENOMEM;
	}
	if (target->sink == SPEC_SINK_FILE && text && text[0] != '/') {
		char *path;

		if (asprintf(&path, "%s/%s", s->engine->spec->log_dir, text) < 0)
			return -ENOMEM;
		free(text);
		text = path;
	}
	*ret = TAKE_PTR(text);
	return 0;
}

static const struct spec_target *target_of(const struct stream *t)
{
	const struct spec_log *log = t->service->spec->log;

	return t == t->service->streams ? &log->file : &log->error;
}

/* --- further ones --- */

static void further_free(struct further *f)
{
	sink_fini(&f->sink);
	free(f->address);
	free(f);
}

/* Takes over address, also on failure. */
static struct further *further_new(
	struct stream *t, const struct spec_target *target, char *address)
{
	struct service *s = t->service;
	struct further *f = calloc(1, sizeof(*f));

	if (!f) {
		free(address);
		return NULL;
	}
	f->stream = t;
	f->address = address;
	if (sink_init(&f->sink, &s->engine->sinks, s->name, s->spec->log, target, address) < 0) {
		further_free(f);
		return NULL;
	}
	f->sink.further = true;
	f->sink.shared = s->spec->split_stderr;
	sink_follow(&f->sink, &t->pump.through);
	return f;
}

/* Takes the one that goes there out of a chain; NULL: there is none. */
static struct further *take(struct sink **chain, enum spec_sink kind, const char *address)
{
	for (struct sink **k = chain; *k; k = &(*k)->next) {
		struct further *f = further_of(*k);

		if (f->sink.kind != kind || !same_text(f->address, address))
			continue;
		*k = f->sink.next;
		f->sink.next = NULL;
		return f;
	}
	return NULL;
}

static void drop(struct stream *t, struct sink *chain)
{
	while (chain) {
		struct further *f = further_of(chain);

		chain = chain->next;
		sink_end(&f->sink, t->service->engine->loop.now_usec);
		further_free(f);
	}
}

/* One of log.also, taken from those that there were if it is among them. */
static struct further *obtain(struct stream *t, const struct spec_target *target, struct sink **old)
{
	struct service *s = t->service;
	struct further *f;
	char *address;

	if (expand(s, target, &address) < 0)
		return NULL;
	f = take(old, target->sink, address);
	if (!f)
		return further_new(t, target, address);
	free(address);
	sink_configure(&f->sink, s->spec->log, target, f->address, s->engine->loop.now_usec);
	f->sink.shared = s->spec->split_stderr;
	return f;
}

/* Makes the chain anew. -ENOMEM: some are missing. */
static int make_chain(struct stream *t)
{
	const struct spec_log *log = t->service->spec->log;
	size_t n = MIN_OF(log->n_also, (size_t)FANOUT_MAX_SINKS);
	struct sink *old = t->sink.next, **end = &t->sink.next, **k = &old;
	int r = 0;

	*end = NULL;
	for (size_t i = 0; i < n; i++) {
		struct further *f = obtain(t, &log->also[i], &old);

		if (!f) {
			r = -ENOMEM;
			continue;
		}
		*end = &f->sink;
		end = &f->sink.next;
	}
	while (*k) { /* consumers come last; the others go */
		struct sink *consumer = *k;

		if (consumer->kind != SPEC_SINK_SERVICE) {
			k = &consumer->next;
			continue;
		}
		*k = consumer->next;
		consumer->next = NULL;
		consumer->log = log;
		*end = consumer;
		end = &consumer->next;
	}
	drop(t, old);
	return r;
}

/* --- all of a stream --- */

int stream_sinks_init(struct stream *t)
{
	struct service *s = t->service;
	_cleanup_free_
	char *address = NULL;
	int r = expand(s, target_of(t), &address);

	if (r == 0)
		r = sink_init(
			&t->sink, &s->engine->sinks, s->name, s->spec->log, target_of(t), address);
	if (r == 0)
		r = make_chain(t);
	return r < 0 ? r : gate_configure(&t->pump);
}

void stream_sinks_free(struct stream *t)
{
	gate_free(&t->pump);
	drop(t, TAKE_PTR(t->sink.next));
	sink_fini(&t->sink);
}

void stream_sinks_configure(struct stream *t)
{
	struct service *s = t->service;
	const struct spec_target *target = target_of(t);
	_cleanup_free_
	char *address = NULL;

	if (expand(s, target, &address) < 0 || sink_configure(&t->sink, s->spec->log, target,
						       address, s->engine->loop.now_usec) < 0) {
		t->sink.log = s->spec->log;
		log_error("service '%s': no memory to log elsewhere", s->name);
	}
	if (make_chain(t) < 0)
		log_error("service '%s': no memory to log to all that log.also names", s->name);
	if (gate_configure(&t->pump) < 0)
		log_error("service '%s': no memory to let it wait for its log", s->name);
}

void stream_sinks_reopen(struct stream *t)
{
	for (struct sink *k = &t->sink; k; k = k->next)
		sink_reopen(k, t->service->engine->loop.now_usec);
}

/* --- consumers --- */

int stream_sinks_join(struct stream *t, const char *consumer)
{
	struct spec_target target = {.sink = SPEC_SINK_SERVICE, .address = (char *)consumer};
	struct sink **end = &t->sink.next;
	struct further *f;
	char *address;

	for (; *end; end = &(*end)->next)
		if ((*end)->kind == SPEC_SINK_SERVICE &&
			strcmp(further_of(*end)->address, consumer) == 0)
			return 0;
	address = strdup(consumer);
	f = address ? further_new(t, &target, address) : NULL;
	if (!f)
		return -ENOMEM;
	*end = &f->sink;
	return gate_configure(&t->pump);
}

void stream_sinks_part(struct stream *t, const char *consumer)
{
	struct further *f = take(&t->sink.next, SPEC_SINK_SERVICE, consumer);

	if (!f)
		return;
	drop(t, &f->sink);
	(void)gate_configure(&t->pump); /* it has one by then */
}

void stream_sinks_move_consumers(struct stream *from, struct stream *to)
{
	struct sink **end = &to->sink.next, **k = &from->sink.next;

	while (*end)
		end = &(*end)->next;
	while (*k) {
		struct sink *consumer = *k;

		if (consumer->kind != SPEC_SINK_SERVICE) {
			k = &consumer->next;
			continue;
		}
		*k = consumer->next;
		consumer->next = NULL;
		consumer->log = to->sink.log;
		further_of(consumer)->stream = to;
		*end = consumer;
		end = &consumer->next;
	}
	if (gate_configure(&to->pump) < 0)
		log_error("service '%s': no memory to let it wait for its log", to->service->name);
}

void stream_sinks_writable(struct sink *k)
{
	gate_open(&((struct stream *)stream_of(k))->pump);
}

/* --- who they are --- */

void stream_sinks_describe(const struct sink *k, struct log_origin *ret)
{
	const struct stream *t = stream_of(k);
	struct service *s = t->service;

	service_invocation(s, s->engine->invocation);
	*ret = (struct log_origin){
		.name = s->name,
		.service = s->spec->name,
		.instance = s->spec->has_instances ? s->instance : 0,
		.pid = s->main_pid,
		.invocation = s->engine->invocation,
		.stream = t == s->streams ? "stdout" : "stderr",
	};
}

const char *stream_sinks_address(const struct sink *k)
{
	if (k->further)
		return further_of(k)->address;
	return k->kind == SPEC_SINK_FILE ? k->file.path : NULL;
}
