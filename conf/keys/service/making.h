/*
 * A service in the making: what those who make one have in common. Each group of keys has a file of
 * its own: _set() takes over a key: 0, also for a value that is refused, which is then told in
 * errors; -ENOMEM. _check(), when all keys are in, looks at what holds between several of them.
 */
#pragma once

#include "conf/build.h"

struct making {
	struct build *b;
	struct spec_service *s;
	const struct section *own; /* NULL: only defaults are looked at */
	const struct section *defaults; /* NULL: none are given */
};

/* The value that counts for a key: the service's own, else that of defaults, or NULL. */
const struct value *making_find(const struct making *m, enum service_key key);

/* Does it stand in the service itself? */
bool making_is_own(const struct making *m, const struct value *v);

/* Adds "'KEY' in service 'web': text" at the key's place. Not for defaults alone. */
void making_tell(const struct making *m, const char *key, const char *format, ...) _printf_(3, 4);

/*
 * Appends the words of a command line; one that is not given as a list is split. *ret_n is 0
 * for an empty one. 0, also where that is refused, which is told; -ENOMEM.
 */
int making_words(struct making *m, const struct value *v, char ***words, size_t *ret_n);

/*
 * Is the text good for each instance? check() returns NULL or what is wrong (static). The first
 * instance and the last one are asked about, whose numbers differ most; in defaults, where none
 * is known, only what holds no placeholder. -EINVAL: told; -ENOMEM.
 */
int making_check_text(struct making *m, const struct value *v, const char *text,
	const char *(*check)(const char *text));
