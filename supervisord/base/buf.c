/*
 * Doubling growth; consuming moves what is left to the front, which is cheap
 * for the short queues that this serves (requests, replies, partial lines).
 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t want, size = b->size ? b->size : 64;
	char *data;

	if (__builtin_add_overflow(b->len, n, &want))
		return -ENOMEM;
	if (want <= b->size)
		return 0;
	while (size < want) {
		if (__builtin_mul_overflow(size, 2, &size))
			return -ENOMEM;
	}
	data = realloc(b->data, size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

int buf_append(struct buf *b, size_t limit, const void *data, size_t n)
{
	int r;

	if (b->len > limit || n > limit - b->len)
		return -ENOBUFS;
	r = buf_reserve(b, n);
	if (r < 0)
		return r;
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	return 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n, r;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return -EINVAL;
	r = buf_reserve(b, (size_t)n + 1);
	if (r < 0)
		return r;
	va_start(args, format);
	vsnprintf(b->data + b->len, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}
