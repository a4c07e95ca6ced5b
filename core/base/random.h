#pragma once
/* The only source of randomness. Cryptographic (getrandom, buffered) unless a test seeds it. */
#include <stddef.h>
#include <stdint.h>

void     random_bytes(void *out, size_t n);
uint64_t random_u64(void);
/* 0 .. below-1, unbiased; below > 0. */
uint32_t random_below(uint32_t below);
/* Forget buffered bytes: after a fork, so that parent and child never share them. */
void random_forked(void);
/* Reproducible from now on (tests and the simulation); 0 restores the kernel's. */
void random_seed(uint64_t seed);
