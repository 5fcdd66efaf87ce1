/*
 * Histories as text, one line for each service, link, pool and operation: for people to read,
 * and for the corpus to keep. Of a policy only that is told which differs from the plain one.
 * Who reads a line back wants nothing but what is written here, so that a typing error in a
 * corpus is no history of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "history.h"

#define LINE_SIZE 1024

struct setting {
	const char *name;
	size_t offset, size;
	const char *const *values; /* of an enumeration, by name; else NULL: a number */
};

/* clang-format off */
static const char *const types[] = {"simple", "oneshot", "forking", NULL};
static const char *const restarts[] = {"always", "on-failure", "on-abnormal", "never", NULL};
static const char *const kills[] = {"tree", "group", "process", NULL};
static const char *const kinds_of_ready[] = {
	"exec", "notify", "fd", "tcp", "unix", "command", "log", NULL};
static const char *const actions[] = {"restart", "none", "stop", NULL};
static const char *const overlaps[] = {"skip", "queue", "kill", NULL};

/* Times are in microseconds. */
#define SETTING(label, field, names) {label, offsetof(struct spec_policy, field), \
	sizeof(((struct spec_policy *)NULL)->field), names}
static const struct setting settings[] = {
	SETTING("type", type, types),
	SETTING("restart", restart, restarts),
	SETTING("success", success_codes[0], NULL),
	SETTING("delay", restart_delay_usec, NULL),
	SETTING("max-delay", restart_max_delay_usec, NULL),
	SETTING("jitter", restart_jitter_percent, NULL),
	SETTING("limit", restart_limit, NULL),
	SETTING("window", restart_window_usec, NULL),
	SETTING("stable", stable_after_usec, NULL),
	SETTING("stop-timeout", stop_timeout_usec, NULL),
	SETTING("kill", stop_kill, kills),
	SETTING("autostart", autostart, NULL),
	SETTING("essential", essential, NULL),
	SETTING("ready", ready, kinds_of_ready),
	SETTING("ready-timeout", ready_timeout_usec, NULL),
	SETTING("watchdog", watchdog_usec, NULL),
	SETTING("health-failures", health_failures, NULL),
	SETTING("health-action", health_action, actions),
	SETTING("scheduled", scheduled, NULL),
	SETTING("overlap", overlap, overlaps),
	SETTING("hooks", hooks, NULL),
	SETTING("hook-timeout", hook_timeout_usec, NULL),
};

_Static_assert(ELEMENTSOF(types) == SPEC_TYPE_MAX + 1, "each has a name");
_Static_assert(ELEMENTSOF(restarts) == SPEC_RESTART_MAX + 1, "each has a name");
_Static_assert(ELEMENTSOF(kills) == SPEC_KILL_MAX + 1, "each has a name");
_Static_assert(ELEMENTSOF(kinds_of_ready) == SPEC_READY_MAX + 1, "each has a name");
_Static_assert(ELEMENTSOF(actions) == SPEC_ACTION_MAX + 1, "each has a name");
_Static_assert(ELEMENTSOF(overlaps) == SPEC_OVERLAP_MAX + 1, "each has a name");

#define NAME(name) #name,
static const char *const fault_names[] = {SIM_FAULTS(NAME)};
static const char *const operation_names[] = {SIM_OPERATIONS(NAME)};
#undef NAME
/* clang-format on */

static const struct {
	const char *name;
	unsigned kind;
} link_kinds[] = {
	{"requires", CORE_LINK_REQUIRES},
	{"wants", CORE_LINK_WANTS},
	{"after", CORE_LINK_AFTER},
	{"conflicts", CORE_LINK_CONFLICTS},
};

const char *operation_to_string(enum sim_operation op)
{
	return op < OP_MAX ? operation_names[op] : "?";
}

static uint64_t get(const struct spec_policy *p, const struct setting *s)
{
	uint64_t value = 0; /* little endian: what is shorter goes first */

	memcpy(&value, (const char *)p + s->offset, s->size);
	return value;
}

static void set(struct spec_policy *p, const struct setting *s, uint64_t value)
{
	memcpy((char *)p + s->offset, &value, s->size);
}

bool policy_plain(struct spec_policy *p, unsigned n)
{
	struct spec_policy plain = plain_policy();

	if (n >= ELEMENTSOF(settings))
		return false;
	set(p, &settings[n], get(&plain, &settings[n]));
	return true;
}

/* --- writing --- */

static void print_service(const struct sim_service *service, unsigned i, FILE *to)
{
	struct spec_policy plain = plain_policy();

	fprintf(to, "service %u", i);
	if (service->pool != CORE_NO_POOL)
		fprintf(to, " pool=%u", service->pool);
	for (size_t k = 0; k < ELEMENTSOF(settings); k++) {
		uint64_t value = get(&service->policy, &settings[k]);

		if (value == get(&plain, &settings[k]))
			continue;
		if (settings[k].values)
			fprintf(to, " %s=%s", settings[k].name, settings[k].values[value]);
		else if (value == USEC_INFINITY)
			fprintf(to, " %s=never", settings[k].name);
		else
			fprintf(to, " %s=%" PRIu64, settings[k].name, value);
	}
	fputc('\n', to);
}

void link_print(const struct core_link *link, FILE *to)
{
	for (size_t k = 0; k < ELEMENTSOF(link_kinds); k++) {
		if (link->kinds & link_kinds[k].kind)
			fprintf(to, "link %u %s %u\n", link->from, link_kinds[k].name, link->to);
	}
}

static void print_config(const struct sim_config *c, FILE *to)
{
	if (c->loner)
		fprintf(to, "loner\n");
	if (c->max_starting)
		fprintf(to, "max-starting %u\n", c->max_starting);
	for (unsigned i = 0; i < c->n_pools; i++)
		fprintf(to, "pool %u\n", c->slots[i]);
	for (unsigned i = 0; i < SIM_SERVICES; i++) {
		if (c->services[i].used)
			print_service(&c->services[i], i, to);
	}
	for (unsigned i = 0; i < c->n_links; i++)
		link_print(&c->links[i], to);
}

void history_print(const struct history *h, FILE *to)
{
	fprintf(to, "seed %" PRIu64 "\nclock %" PRIu64 "\n", h->seed, h->clock);
	for (size_t i = 0; i < FAULT_MAX; i++) {
		if (h->faults >> i & 1)
			fprintf(to, "fault %s\n", fault_names[i]);
	}
	print_config(&h->config, to);
	for (unsigned i = 0; i < h->n_ops; i++) {
		const struct sim_op *op = &h->ops[i];

		fprintf(to, "op %s %u %016" PRIx64, operation_to_string(op->kind), op->service,
			op->random);
		if (op->cut)
			fprintf(to, " cut %u", op->cut);
		fputc('\n', to);
	}
}

/* --- reading --- */

/* The next word of a line, or NULL. */
static char *next(char **line)
{
	char *word = strtok_r(NULL, " \n", line);

	return word && word[0] != '#' ? word : NULL;
}

static bool to_number(const char *text, int base, uint64_t max, uint64_t *ret_value)
{
	char *end;
	unsigned long long value;

	if (!text || text[0] == '\0' || text[0] == '-' || text[0] == '+')
		return false;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno != 0 || *end != '\0' || value > max)
		return false;
	*ret_value = value;
	return true;
}

static bool number(char **line, uint64_t max, uint64_t *ret_value)
{
	return to_number(next(line), 10, max, ret_value);
}

static bool small(char **line, uint64_t max, uint32_t *ret_value)
{
	uint64_t value;

	if (!number(line, max, &value))
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

static bool index_of(const char *word, const char *const names[], size_t n, unsigned *ret_index)
{
	for (size_t i = 0; word && i < n; i++) {
		if (strcmp(word, names[i]) == 0) {
			*ret_index = (unsigned)i;
			return true;
		}
	}
	return false;
}

static bool read_value(struct spec_policy *p, const struct setting *s, const char *text)
{
	uint64_t max = s->size == 8 ? UINT64_MAX : (UINT64_C(1) << s->size * 8) - 1, value;

	for (unsigned k = 0; s->values && s->values[k]; k++) {
		if (strcmp(text, s->values[k]) == 0) {
			set(p, s, k);
			return true;
		}
	}
	if (!s->values && strcmp(text, "never") == 0 && s->size == 8)
		value = USEC_INFINITY;
	else if (s->values || !to_number(text, 10, s->size == 1 ? 1 : max, &value))
		return false;
	set(p, s, value);
	return true;
}

static bool read_setting(struct sim_service *service, char *word)
{
	char *value = strchr(word, '=');
	uint64_t pool;

	if (!value)
		return false;
	*value++ = '\0';
	if (strcmp(word, "pool") == 0) {
		if (!to_number(value, 10, SIM_POOLS - 1, &pool))
			return false;
		service->pool = (uint32_t)pool;
		return true;
	}
	for (size_t k = 0; k < ELEMENTSOF(settings); k++) {
		if (strcmp(word, settings[k].name) == 0)
			return read_value(&service->policy, &settings[k], value);
	}
	return false;
}

static bool read_service(struct sim_config *c, char **line)
{
	uint32_t i;
	char *word;

	if (!small(line, SIM_SERVICES - 1, &i))
		return false;
	c->services[i].used = true;
	while ((word = next(line))) {
		if (!read_setting(&c->services[i], word))
			return false;
	}
	return true;
}

static bool read_link(struct sim_config *c, char **line)
{
	struct core_link l = {0};
	const char *word;

	if (c->n_links == SIM_LINKS || !small(line, SIM_SERVICES - 1, &l.from))
		return false;
	word = next(line);
	for (size_t k = 0; word && k < ELEMENTSOF(link_kinds); k++) {
		if (strcmp(word, link_kinds[k].name) == 0)
			l.kinds = link_kinds[k].kind;
	}
	if (!l.kinds || !small(line, SIM_SERVICES - 1, &l.to) || l.from == l.to)
		return false;
	c->links[c->n_links++] = l;
	return true;
}

static bool read_op(struct history *h, char **line)
{
	struct sim_op op = {0};
	const char *word;
	unsigned kind;

	if (h->n_ops == SIM_OPS || !index_of(next(line), operation_names, OP_MAX, &kind))
		return false;
	op.kind = (enum sim_operation)kind;
	if (!small(line, SIM_SERVICES - 1, &op.service) ||
		!to_number(next(line), 16, UINT64_MAX, &op.random))
		return false;
	word = next(line);
	if (word && (strcmp(word, "cut") != 0 || !small(line, UINT8_MAX, &op.cut)))
		return false;
	h->ops[h->n_ops++] = op;
	return true;
}

static bool read_line(struct history *h, char *text)
{
	char *line, *word = strtok_r(text, " \n", &line);
	struct sim_config *c = &h->config;
	unsigned fault;

	if (!word || word[0] == '#')
		return true;
	if (strcmp(word, "seed") == 0)
		return number(&line, UINT64_MAX, &h->seed);
	if (strcmp(word, "clock") == 0)
		return number(&line, UINT64_MAX / 2, &h->clock);
	if (strcmp(word, "loner") == 0)
		return c->loner = true;
	if (strcmp(word, "max-starting") == 0)
		return small(&line, SIM_SERVICES, &c->max_starting);
	if (strcmp(word, "pool") == 0)
		return c->n_pools < SIM_POOLS &&
		       small(&line, SIM_SERVICES, &c->slots[c->n_pools++]);
	if (strcmp(word, "service") == 0)
		return read_service(c, &line);
	if (strcmp(word, "link") == 0)
		return read_link(c, &line);
	if (strcmp(word, "op") == 0)
		return read_op(h, &line);
	if (strcmp(word, "fault") != 0 || !index_of(next(&line), fault_names, FAULT_MAX, &fault))
		return false;
	h->faults |= 1U << fault;
	return true;
}

bool history_read(const char *path, struct history *ret_history)
{
	struct history h = {0};
	FILE *f = fopen(path, "re");
	char text[LINE_SIZE];
	unsigned n = 0;
	bool ok = f != NULL;

	if (!f)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	for (unsigned i = 0; i < SIM_SERVICES; i++)
		h.config.services[i] =
			(struct sim_service){.policy = plain_policy(), .pool = CORE_NO_POOL};
	while (ok && fgets(text, sizeof(text), f)) {
		n++;
		ok = read_line(&h, text);
		if (!ok)
			fprintf(stderr, "%s:%u: not understood\n", path, n);
	}
	if (f)
		fclose(f);
	if (ok)
		*ret_history = h;
	return ok;
}
