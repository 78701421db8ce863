#include "game.h"

uint32_t rng_state;

void rng_seed(uint32_t seed) { rng_state = seed; }

int32_t rng_next(void) {
    rng_state = rng_state * 214013u + 2531011u;
    return (int32_t)(rng_state >> 16 & 0x7fff);
}
