/* Arena: a small arena shooter for one to four players. Everything that the game is, tick by tick. */
#ifndef GAME_H
#define GAME_H

#include <stdint.h>

enum { PLAYERS = 4, CREATURES = 64, PROJECTILES = 96, BONUSES = 12 };
enum { TICKS_A_SECOND = 60, WIDTH = 320, HEIGHT = 184 };

enum button { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8, FIRE = 16, DASH = 32 };

enum creature_kind { CRAWLER, RUNNER, SPITTER, BRUTE, CREATURE_KINDS };
enum bonus_kind { MEDKIT, RAPID_FIRE, DOUBLE_POINTS, BLAST, BONUS_KINDS };

typedef struct {
    int32_t in_game;
    float x, y, vx, vy;
    float aim_x, aim_y;
    float hp;
    int32_t cooldown;   /* ticks until the next shot */
    int32_t dash;       /* ticks until the next dash */
    int32_t rapid;      /* ticks of rapid fire that are left */
    int32_t doubled;    /* ticks of double points that are left */
    int32_t down;       /* ticks until a fallen player stands up */
    uint32_t score;
    uint32_t experience;
    uint32_t level;
} player;

typedef struct {
    int32_t active;
    int32_t kind;
    float x, y, vx, vy;
    float hp;
    int32_t windup;     /* ticks until it bites or spits */
    int32_t mark;       /* the player it is after */
} creature;

typedef struct {
    int32_t active;
    int32_t owner;      /* a player, or -1 for a creature's */
    float x, y, vx, vy;
    float damage;
    int32_t life;       /* ticks */
} projectile;

typedef struct {
    int32_t active;
    int32_t kind;
    float x, y;
    int32_t life;       /* ticks */
} bonus;

typedef struct {
    uint32_t tick;
    uint32_t wave;
    int32_t to_come;    /* creatures of the wave that are not there yet */
    int32_t pause;      /* ticks until the next one */
    uint32_t killed;
    uint32_t shots;
    float shake;        /* of the screen; it fades */
    int32_t over;       /* ticks since the last player fell, 0 while one stands */
} world_state;

extern world_state world;
extern player players[PLAYERS];
extern creature creatures[CREATURES];
extern projectile projectiles[PROJECTILES];
extern bonus bonuses[BONUSES];

/* The generator: the one that msvc's rand() is. */
extern uint32_t rng_state;
void rng_seed(uint32_t seed);
int32_t rng_next(void);

void game_begin(uint32_t seed, int32_t player_count);
void game_tick(const uint8_t buttons[PLAYERS]);

#endif
