/*
 * Another number of instances of one definition, and services that go on by an older
 * configuration: whether that can be done.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/* The definition of exactly this name, or NULL. */
const struct spec_service *scale_find(const struct spec *spec, const char *name);
/*
 * Is it one that can be scaled, and how many instances has it? False: why not was told to the
 * call (NULL: to nobody).
 */
bool scale_check(const struct engine *e, struct server_call *call, const char *name,
	unsigned *ret_instances);

/*
 * A service that goes on by an older configuration keeps that in its place. True where a plan
 * would leave more of them behind than there may be, and what to do about it.
 */
#define STALE_REASON_SIZE 512
bool stale_is_too_much(
	const struct engine *e, const json_t *plan, char ret_reason[static STALE_REASON_SIZE]);
