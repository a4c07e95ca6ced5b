#pragma once
/* What a run leaves in the trail (net/trail.h): enough to explain how its request ended; of a traced call every line and value. */
#include "net/trail.h"
#include "script/run.h"

void note_begin(const struct run *run);
void note_called(const struct run *run, const struct call_site *s, enum verdict v, const struct value *result);
void note_waits(const struct run *run, const struct call_site *s);
void note_resumed(const struct run *run, const struct value *result);
void note_fault(const struct run *run, const char *reason);
void note_end(const struct run *run, enum verdict v);
/* Before an instruction of a traced run. */
void note_step(struct run *run, int32_t insn);

/* The place in an event: file and line of the program that this process runs. */
uint32_t trail_place(const struct code *c, uint32_t at);
