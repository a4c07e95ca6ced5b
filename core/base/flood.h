#pragma once
/* Private to log.c: lines of one kind are those of one place in the source, told by the format. So many a second are written, of the
 * rest the number alone: a peer that misbehaves a thousand times a second shall not fill the disk, nor hide what else there is to read. */
#include "base/log.h"

void flood_set_rate(unsigned lines_a_second);	/* 0: no limit */
/* May this line be written? Counted either way. */
bool flood_pass(const char *fmt, enum log_level level, struct str text);
/* Calls fn for each kind with lines that were left out and whose second is over; `text` is the beginning of the first. */
void flood_settle(void (*fn)(enum log_level level, unsigned left_out, struct str text));
