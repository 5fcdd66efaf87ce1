/*
 * A service in the making. Only those who make one use it: service.c, and one file for each
 * group of keys.
 */
#pragma once

#include "conf/build.h"

#define SERVICE_MAX_LIST 1000 /* names in environment and groups: they are compared pairwise */

struct making {
	struct build *b;
	struct spec_service *s;
	const struct section *own; /* NULL: only defaults are looked at */
	const struct section *defaults; /* NULL: none are given */
};

/*
 * conf/keys/service_keys.c: takes over a key that stands for itself; others change nothing.
 * 0, also for a value that is refused, which is then told in errors; -ENOMEM.
 */
int service_set(struct making *m, enum service_key key, const struct value *v);

/* The value that counts for a key: the service's own, else that of defaults, or NULL. */
const struct value *service_find(const struct making *m, enum service_key key);

/* Does it stand in the service itself? */
bool service_is_own(const struct making *m, const struct value *v);

/* Adds "'KEY' in service 'web': text" at the key's place. Not for defaults alone. */
void service_tell(const struct making *m, const char *key, const char *format, ...) _printf_(3, 4);

/*
 * Appends the words of a command line; one that is not given as a list is split. *ret_n is 0
 * for an empty one. 0, also where that is refused, which is told; -ENOMEM.
 */
int service_words(struct making *m, const struct value *v, char ***words, size_t *ret_n);

/*
 * Is the text good for each instance? check() returns NULL or what is wrong (static). The first
 * instance and the last one are asked about, whose numbers differ most; in defaults, where none
 * is known, only what holds no placeholder. -EINVAL: told; -ENOMEM.
 */
int service_check_text(struct making *m, const struct value *v, const char *text,
	const char *(*check)(const char *text));

/* conf/keys/depend.c */
int depend_set_links(struct making *m, const struct value *v);
int depend_set_pool(struct making *m, const struct value *v);
/* Is it of the form of a service's name, or of an instance's, "web@2"? */
bool depend_is_link(const char *text);

/* conf/keys/ready.c. The latter, when all keys are in: what holds between several of them. */
int ready_set(struct making *m, const struct value *v);
void ready_check(struct making *m);

/* conf/keys/health.c */
int health_set(struct making *m, const struct value *v);
void health_check(struct making *m);

/* conf/keys/turns.c: hooks, the stop command, and the schedule. */
int turns_set_hook(struct making *m, const struct value *v);
int turns_set_hook_timeout(struct making *m, const struct value *v);
int turns_set_schedule(struct making *m, const struct value *v);
void turns_check(struct making *m);

/* conf/keys/limits.c */
int limits_set(struct making *m, const struct value *v);

/* conf/keys/output.c: the log section. */
int output_set(struct making *m, const struct value *v);
void output_check(struct making *m);

/* conf/keys/input.c: stdin. Whether there is the service that it names is seen in links_input.c. */
int input_set(struct making *m, const struct value *v);

/*
 * conf/keys/target.c: what a text in a log section means; ret_target owns its address. -EINVAL:
 * told; -ENOMEM.
 */
int target_parse(
	struct making *m, const struct value *v, const char *text, struct spec_target *ret_target);
