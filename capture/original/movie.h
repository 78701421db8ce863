/* A movie: the seed, the number of players, and what they pressed, tick by tick. A text file:
 *
 *     arena-movie 1
 *     seed 7
 *     players 2
 *     30 00 00            for 30 ticks nobody presses anything,
 *     12 18 02            for 12 the first player RIGHT and FIRE, the second DOWN: buttons are hexadecimal
 */
#ifndef MOVIE_H
#define MOVIE_H

#include <stdint.h>

#include "game.h"

typedef struct {
    uint32_t seed;
    int32_t players;
    uint32_t ticks;
    uint8_t (*buttons)[PLAYERS];    /* for each tick */
} movie;

/* Reads a movie; says on standard error what is wrong with it, and gives 0. */
int movie_read(const char *path, movie *into);
void movie_free(movie *of);

#endif
