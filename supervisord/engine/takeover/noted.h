/*
 * What the dead launcher's notebook says (wire/notebook.h), by id and generation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "wire/notebook.h"

struct noted {
	struct notebook book;
	const struct notebook_slot **slots; /* owned; those in use, by id and generation */
	size_t n;
	bool complete; /* who is not in it was never started by that launcher */
};

/* Takes the notebook, which may be none (fd -1) or of no use: then it is empty. 0 or -ENOMEM. */
int noted_open(struct noted *ret, int fd);
void noted_close(struct noted *n);

const struct notebook_slot *noted_find(const struct noted *n, uint32_t id, uint64_t generation);
/* No end has a greater one. */
uint64_t noted_last_serial(const struct noted *n);

/*
 * The end of one whose process is not there any more: as it was noted, or as its child has said
 * that it could not be executed, or unknown. *ret_serial: 0 where it never had one.
 */
struct link_exit noted_end(const struct notebook_slot *slot, uint64_t *ret_serial);
/* It was noted. */
bool noted_has_end(const struct notebook_slot *slot);
