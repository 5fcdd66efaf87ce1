/*
 * Between the files of the journal: journal.c (making, opening, writing) and journal_read.c. No
 * one else includes this.
 */
#pragma once

#include "wire/journal.h"

/* Bytes that a record takes. */
size_t journal_record_size(size_t length);
/* Whether the head of a record stands there, whole; its body may be damaged. */
bool journal_record_at(const struct journal *j, size_t offset, struct journal_record *ret_record);
/* Bytes from one place in the ring on to another. */
size_t journal_distance(const struct journal *j, size_t from, size_t to);
