/*
 * A list grows by doubling at powers of two, so that appending needs no capacity of its
 * own beside the length and a list of one or two strings takes little memory: there are
 * several such lists in each of ten thousand services.
 */
#include "conf/values/strv.h"

#include <errno.h>
#include <stdlib.h>

/* What all empty lists share: there are several in each of ten thousand services, too. */
static char *empty[1];

void strv_free(char **list)
{
	if (list == empty)
		return;
	for (char **s = list; s && *s; s++)
		free(*s);
	free(list);
}

int strv_take(char ***list, size_t *n, char *text)
{
	size_t want = *n + 2; /* text and NULL */

	if (!text)
		return -ENOMEM;
	if (!*list || (want & (want - 1)) == 0) {
		char **bigger = realloc(*list, 2 * want * sizeof(char *));

		if (!bigger) {
			free(text);
			return -ENOMEM;
		}
		*list = bigger;
	}
	(*list)[(*n)++] = text;
	(*list)[*n] = NULL;
	return 0;
}

void strv_ensure(char ***list)
{
	if (!*list)
		*list = empty;
}

size_t strv_len(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}
