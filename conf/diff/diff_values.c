/*
 * Plain members of the data by their type: where they are is all that a rule has to give. Strings
 * and lists are compared by what they hold; everything else by its bytes.
 */
#include "conf/diff/diff_values.h"

#include <string.h>

#include "base/macro.h"
#include "base/parse.h"
#include "conf/write.h"

/* What has the value. */
static const char *holder(const struct diff_rule *r, const void *owner)
{
	return r->part ? r->part(owner) : owner;
}

const void *diff_member(const struct diff_rule *r, const void *owner)
{
	return holder(r, owner) + r->offset;
}

/* A value that is not given says nothing, whatever the member holds. */
static bool is_given(const struct diff_rule *r, const void *owner)
{
	return r->given == 0 || *(const bool *)(holder(r, owner) + r->given);
}

bool diff_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool diff_same_texts(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++) {
		if (strcmp(*a, *b) != 0)
			return false;
	}
	return !(a && *a) && !(b && *b);
}

bool diff_same_bytes(const void *a, const void *b, size_t n)
{
	return n == 0 || memcmp(a, b, n) == 0;
}

/* Plain members, by their size. */
static bool same_plain(const struct diff_rule *r, const void *a, const void *b, size_t n)
{
	bool given = is_given(r, a);

	if (given != is_given(r, b))
		return false;
	return !given || memcmp(diff_member(r, a), diff_member(r, b), n) == 0;
}

bool diff_same_bool(const struct diff_rule *r, const void *a, const void *b)
{
	return *(const bool *)diff_member(r, a) == *(const bool *)diff_member(r, b);
}

int diff_write_bool(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_word(out, *(const bool *)diff_member(r, owner) ? "true" : "false");
}

/* int, unsigned, mode_t and enums. */
bool diff_same_int(const struct diff_rule *r, const void *a, const void *b)
{
	return same_plain(r, a, b, sizeof(int));
}

int diff_write_int(const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return is_given(r, owner) ? write_number(out, *(const int *)diff_member(r, owner)) : 0;
}

int diff_write_octal(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return is_given(r, owner) ? write_mode(out, *(const mode_t *)diff_member(r, owner)) : 0;
}

int diff_write_enum(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	if (!is_given(r, owner))
		return 0;
	return write_word(out, r->name(*(const unsigned *)diff_member(r, owner)));
}

int diff_write_signal(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	char name[SIGNAL_NAME_SIZE];

	(void)other;
	return write_word(out, signal_name(*(const int *)diff_member(r, owner), name));
}

bool diff_same_64(const struct diff_rule *r, const void *a, const void *b)
{
	return same_plain(r, a, b, sizeof(uint64_t));
}

int diff_write_usec(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_duration(out, *(const usec_t *)diff_member(r, owner));
}

int diff_write_bytes(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_size(out, *(const uint64_t *)diff_member(r, owner));
}

bool diff_same_string(const struct diff_rule *r, const void *a, const void *b)
{
	return diff_same_text(*(char *const *)diff_member(r, a), *(char *const *)diff_member(r, b));
}

int diff_write_text(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const char *text = *(char *const *)diff_member(r, owner);

	(void)other;
	return text ? write_string(out, text) : 0;
}

bool diff_same_list(const struct diff_rule *r, const void *a, const void *b)
{
	return diff_same_texts(
		*(char **const *)diff_member(r, a), *(char **const *)diff_member(r, b));
}

int diff_write_texts(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_list(out, *(char **const *)diff_member(r, owner));
}

int diff_write_words(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	(void)other;
	return write_command(out, *(char **const *)diff_member(r, owner));
}
