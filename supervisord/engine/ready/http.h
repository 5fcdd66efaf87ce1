/*
 * The beginning of an HTTP answer: its status, and nothing else of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HTTP_LINE_SIZE	 256 /* of a line of which more than its beginning counts */
#define HTTP_MAX_INTERIM 4 /* answers 1xx before the one */
#define HTTP_REASON_SIZE 64

enum http_outcome {
	HTTP_MORE, /* it is not known yet */
	HTTP_ANSWERED, /* status and reason are */
	HTTP_MALFORMED, /* that is no HTTP/1 */
};

/* Zero initialised before the first byte. */
struct http_answer {
	int status; /* 100 to 599 */
	char reason[HTTP_REASON_SIZE]; /* as sent, printable ASCII only; may be "" */
	/* its own */
	char line[HTTP_LINE_SIZE];
	size_t n; /* of the line so far; what is too long for it is counted, not kept */
	bool in_headers; /* of an interim answer */
	unsigned n_interim;
	enum http_outcome outcome;
};

/* The next bytes; those after the status line are not looked at. */
enum http_outcome http_take(struct http_answer *a, const char *data, size_t n);
