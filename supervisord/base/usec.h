/*
 * Time in microseconds. Points in time are CLOCK_MONOTONIC unless a name says
 * realtime; USEC_INFINITY means never.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef uint64_t usec_t;

#define USEC_INFINITY	UINT64_MAX
#define USEC_PER_MSEC	UINT64_C(1000)
#define USEC_PER_SEC	UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR	(60 * USEC_PER_MINUTE)
#define USEC_PER_DAY	(24 * USEC_PER_HOUR)

usec_t usec_now(clockid_t clock);

/* a + b, but USEC_INFINITY rather than an overflow; infinity stays infinite. */
usec_t usec_add(usec_t a, usec_t b);

/* a - b, or 0 where b is later. */
usec_t usec_sub(usec_t a, usec_t b);

/* "2026-11-23T06:36:53.123456Z" and its NUL. */
#define USEC_RFC3339_SIZE 32

/* Writes a realtime in UTC, with microseconds, and returns its length. */
size_t usec_rfc3339(usec_t realtime, char ret_text[static USEC_RFC3339_SIZE]);

/* "2d 3h", "1min 5s", "12.5s", "100ms", "30us", "forever". */
#define USEC_SPAN_SIZE 32

/* Writes a duration for people, with at most two units, and returns ret_text. */
const char *usec_span(usec_t duration, char ret_text[static USEC_SPAN_SIZE]);
