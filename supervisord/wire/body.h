/*
 * Writes one JSON object into a buffer of fixed size, without taking memory: the body of an
 * event. What comes out is always a whole object of valid UTF-8: a string that is too long ends
 * with "…", and what does not fit is left out, and "cut":true says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_MAX_STRING 1024u /* bytes of one value, as JSON has it, without the quotes */
#define BODY_MAX_DEPTH	4u
#define BODY_MIN_SIZE	64u

struct body {
	char *data; /* borrowed; gets no NUL */
	size_t size, len;
	char closing[BODY_MAX_DEPTH]; /* of what is open */
	unsigned depth;
	unsigned
		skipped; /* containers that are open and found no place: nor does what is in them */
	bool cut;
};

/* size >= BODY_MIN_SIZE */
void body_begin(struct body *b, char *data, size_t size);
/* Closes what is open, and returns the length. */
size_t body_end(struct body *b);

/*
 * Values. key: plain ASCII, which is not quoted; NULL within an array. A NULL string is null.
 */
void body_string(struct body *b, const char *key, const char *value);
void body_integer(struct body *b, const char *key, int64_t value);
void body_boolean(struct body *b, const char *key, bool value);
void body_null(struct body *b, const char *key);
/* kind: '{' or '[' */
void body_open(struct body *b, const char *key, char kind);
void body_close(struct body *b);
