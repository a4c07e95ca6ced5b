#pragma once
/* Threads within a process: for what would make a loop wait and knows no other way (disks, SQLite, reading a program). They touch nothing in shared memory,
 * and neither log nor tick the clock. */
#include <pthread.h>
#include <stdbool.h>

/* All signals are blocked in it: they are the loop's. False: the system has no more. The caller owes pthread_join(). */
bool thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg);
