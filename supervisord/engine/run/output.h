/*
 * What a command writes: only the end of it is kept, however much there is.
 */
#pragma once

#include <stddef.h>

#define OUTPUT_SIZE	 1024
#define OUTPUT_LINE_SIZE 120

struct output {
	char data[OUTPUT_SIZE];
	size_t n;
};

void output_add(struct output *o, const char *data, size_t n);

/*
 * The last line that is not empty, or its beginning, without what ends it; "" where there is
 * none. Returns ret_line.
 */
const char *output_last_line(const struct output *o, char ret_line[static OUTPUT_LINE_SIZE]);
