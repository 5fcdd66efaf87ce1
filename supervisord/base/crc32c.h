/*
 * CRC32C (Castagnoli): tells what was written whole from what was not.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of n bytes, going on from the sum of what came before them; 0 at first. */
uint32_t crc32c(uint32_t sum, const void *data, size_t n);
