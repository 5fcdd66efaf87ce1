/*
 * A rotated file is named by its stamp and not held open: thousands may be kept, and one that is
 * compressed while we look is found again, with the same offsets in it.
 */
#include "ctl/logs/range/range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static bool is_at(const struct stat *st, const struct range_place *place)
{
	return st->st_ino == place->inode && st->st_dev == place->device;
}

/* Is the file that we hold among those that were rotated? From there on they are newer. */
static size_t count_older(const struct range *r, const struct rotated *rotated)
{
	struct stat current, st;

	if (r->fd < 0 || fstat(r->fd, &current) < 0)
		return rotated->n;
	/* Looked at after the list: still in its place, so it is not in there. */
	if (stat(r->path, &st) == 0 && st.st_dev == current.st_dev && st.st_ino == current.st_ino)
		return rotated->n;
	for (size_t i = rotated->n; i > 0; i--) {
		_cleanup_close_
		int fd = rotated_open(r->path, &rotated->files[i - 1]);

		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == current.st_dev &&
			st.st_ino == current.st_ino)
			return i - 1;
	}
	return rotated->n;
}

int range_make(struct range *r, const char *path, int fd, off_t end)
{
	_cleanup_(rotated_fini) struct rotated rotated = {0};
	size_t n;
	int result = rotated_list(path, &rotated);

	if (result == -ENOMEM)
		return result;
	*r = (struct range){.path = path, .fd = fd};
	n = count_older(r, &rotated);
	r->pieces = calloc(n + 1, sizeof(*r->pieces));
	if (!r->pieces)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		r->pieces[i] = (struct piece){.file = rotated.files[i], .end = RANGE_TO_END};
	if (fd >= 0)
		r->pieces[n++] = (struct piece){.end = end};
	r->n = n;
	return result;
}

void range_fini(struct range *r)
{
	free(r->pieces);
	*r = (struct range){.fd = -1};
}

void range_drop_older(struct range *r, size_t first)
{
	r->n -= first;
	memmove(r->pieces, r->pieces + first, r->n * sizeof(*r->pieces));
}

void range_drop_newer(struct range *r, size_t n)
{
	r->n = n;
}

int range_open(const struct range *r, const struct piece *p, off_t offset, struct input *ret_input)
{
	if (p->error < 0)
		return p->error;
	if (p->file.stamp[0] != '\0')
		return input_open(r->path, &p->file, offset, ret_input);
	*ret_input = input_of(r->fd, offset);
	return 0;
}

size_t range_at(const struct range *r, usec_t realtime)
{
	size_t i = 0;

	while (i < r->n && r->pieces[i].file.stamp[0] != '\0' &&
		rotated_end(r->pieces[i].file.stamp) < realtime)
		i++;
	return i;
}

/* 1: it is there; 0: it is another one, or shorter; a compressed file tells nothing: -ENODATA. */
static int holds(const struct range *r, const struct piece *p, const struct range_place *place)
{
	_cleanup_(input_fini) struct input in = {.fd = -1};
	struct stat st;
	int result = range_open(r, p, 0, &in);

	if (result < 0)
		return result == -ENOMEM ? result : 0;
	if (in.packed)
		return -ENODATA;
	if (fstat(in.fd, &st) < 0)
		return 0;
	return (place->inode == 0 || is_at(&st, place)) && place->offset <= st.st_size;
}

int range_find(const struct range *r, const struct range_place *place, size_t *ret_piece,
	off_t *ret_offset)
{
	size_t found = range_at(r, place->realtime);
	int result = found < r->n ? holds(r, &r->pieces[found], place) : 0;

	/* The clock was set: names mislead, but the file itself is known. */
	for (size_t i = r->n; result == 0 && place->inode > 0 && i > 0; i--) {
		result = holds(r, &r->pieces[i - 1], place);
		found = i - 1;
		if (result == -ENODATA)
			result = 0;
	}
	if (result == 0)
		return -ENOENT;
	if (result < 0 && result != -ENODATA)
		return result;
	*ret_piece = found;
	*ret_offset = place->offset;
	return 0;
}
