/*
 * Sixteen bytes at a time: where a log is copied at the speed of memory, looking for one newline
 * after the other (memchr) would take a tenth of all the time. A comparison gives -1 in the lanes
 * that are equal; they are added up before one of them can overflow.
 */
#include "base/lines.h"

#include <stdint.h>
#include <string.h>

#include "base/macro.h"

#define LANES	   16
#define MAX_ROUNDS 255

typedef uint8_t lanes __attribute__((vector_size(LANES)));

static size_t count_lanes(const char *data, size_t n_rounds)
{
	lanes counts = {0}, bytes;
	size_t total = 0;

	for (size_t i = 0; i < n_rounds; i++) {
		memcpy(&bytes, data + i * LANES, LANES);
		counts -= (lanes)(bytes == '\n');
	}
	for (size_t i = 0; i < LANES; i++)
		total += counts[i];
	return total;
}

size_t lines_count(const char *data, size_t n)
{
	size_t lines = 0, done = 0;

	while (n - done >= LANES) {
		size_t n_rounds = MIN_OF((n - done) / LANES, (size_t)MAX_ROUNDS);

		lines += count_lanes(data + done, n_rounds);
		done += n_rounds * LANES;
	}
	for (; done < n; done++)
		lines += data[done] == '\n';
	return lines;
}
