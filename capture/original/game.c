/* The rules. All of the game is in the pools below; a tick reads the buttons and the generator, and nothing else. */
#include "game.h"

#include <math.h>
#include <string.h>

world_state world;
player players[PLAYERS];
creature creatures[CREATURES];
projectile projectiles[PROJECTILES];
bonus bonuses[BONUSES];

static const struct {
    float hp, speed, radius, bite;
    int32_t windup;
    uint32_t points;
} kinds[CREATURE_KINDS] = {
    [CRAWLER] = {2.0f, 0.42f, 7.0f, 5.0f, 30, 10},
    [RUNNER] = {1.5f, 0.8f, 6.0f, 3.0f, 20, 15},
    [SPITTER] = {3.0f, 0.35f, 7.0f, 6.0f, 100, 25},
    [BRUTE] = {10.0f, 0.28f, 11.0f, 15.0f, 50, 60},
};

/* How many of each kind, of eight, come in a wave; the last one again and again. */
static const int32_t script[][CREATURE_KINDS] = {
    {8, 0, 0, 0}, {6, 2, 0, 0}, {4, 3, 1, 0}, {3, 3, 2, 0}, {2, 3, 2, 1},
};
enum { SCRIPTED = sizeof script / sizeof *script };

static float clamp(float value, float low, float high) { return value < low ? low : value > high ? high : value; }

static float distance(float x, float y) { return sqrtf(x * x + y * y); }

static float rng_unit(void) { return (float)rng_next() / 32768.0f; }

static void spawn_projectile(int32_t owner, float x, float y, float vx, float vy, float damage, int32_t life) {
    for (int i = 0; i < PROJECTILES; i++) {
        projectile *p = &projectiles[i];
        if (!p->active) {
            *p = (projectile){1, owner, x, y, vx, vy, damage, life};
            return;
        }
    }
}

static void spawn_bonus(float x, float y) {
    int32_t kind = rng_next() % BONUS_KINDS;
    for (int i = 0; i < BONUSES; i++) {
        if (!bonuses[i].active) {
            bonuses[i] = (bonus){1, kind, x, y, 10 * TICKS_A_SECOND};
            return;
        }
    }
}

static int32_t nearest_player(float x, float y) {
    int32_t found = -1;
    float least = 1e9f;
    for (int i = 0; i < PLAYERS; i++) {
        const player *p = &players[i];
        if (p->in_game && p->down == 0) {
            float d = distance(p->x - x, p->y - y);
            if (d < least) {
                least = d;
                found = i;
            }
        }
    }
    return found;
}

static int32_t kind_of_wave(void) {
    const int32_t *of = script[world.wave < SCRIPTED ? world.wave : SCRIPTED - 1];
    int32_t left = rng_next() % 8;
    for (int kind = 0; kind < CREATURE_KINDS; kind++) {
        left -= of[kind];
        if (left < 0) return kind;
    }
    return CRAWLER;
}

static void spawn_creature(void) {
    for (int i = 0; i < CREATURES; i++) {
        creature *c = &creatures[i];
        if (c->active) continue;
        int32_t kind = kind_of_wave();
        int32_t side = rng_next() & 3;
        float along = rng_unit();
        c->active = 1;
        c->kind = kind;
        c->x = side < 2 ? along * WIDTH : side == 2 ? 0.0f : (float)WIDTH;
        c->y = side >= 2 ? along * HEIGHT : side == 0 ? 0.0f : (float)HEIGHT;
        c->vx = c->vy = 0.0f;
        c->hp = kinds[kind].hp + 0.25f * (float)world.wave;
        c->windup = kinds[kind].windup;
        c->mark = nearest_player(c->x, c->y);
        world.to_come--;
        return;
    }
}

static void run_script(void) {
    if (world.pause > 0) {
        world.pause--;
        return;
    }
    if (world.to_come > 0) {
        spawn_creature();
        world.pause = 8 + rng_next() % 20;
        return;
    }
    for (int i = 0; i < CREATURES; i++)
        if (creatures[i].active) return;
    world.wave++;
    world.to_come = 6 + 3 * (int32_t)world.wave;
    if (world.to_come > 48) world.to_come = 48;
    world.pause = 2 * TICKS_A_SECOND;
}

static void fire(player *p, int32_t number) {
    float spread = (rng_unit() - 0.5f) * 0.2f;
    float vx = p->aim_x - p->aim_y * spread, vy = p->aim_y + p->aim_x * spread;
    float damage = 1.0f + 0.25f * (float)p->level;
    /* One shot of sixteen is a strong one. */
    if ((rng_next() & 15) == 0) damage = damage * 3.0f;
    spawn_projectile(number, p->x, p->y, vx * 4.0f, vy * 4.0f, damage, 60);
    p->cooldown = p->rapid > 0 ? 4 : 8;
    world.shots++;
}

static void move_player(player *p, int32_t number, uint8_t buttons) {
    if (p->down > 0) {
        if (--p->down == 0) p->hp = 60.0f;
        return;
    }
    float ax = (float)((buttons & RIGHT) != 0) - (float)((buttons & LEFT) != 0);
    float ay = (float)((buttons & DOWN) != 0) - (float)((buttons & UP) != 0);
    float length = distance(ax, ay);
    if (length > 0.0f) {
        ax = ax / length;
        ay = ay / length;
        if (!(buttons & FIRE)) {
            p->aim_x = ax;
            p->aim_y = ay;
        }
    }
    if (p->dash > 0) p->dash--;
    float push = 0.24f;
    if ((buttons & DASH) && p->dash == 0 && length > 0.0f) {
        push = 4.0f;
        p->dash = 50;
    }
    p->vx = p->vx * 0.86f + ax * push;
    p->vy = p->vy * 0.86f + ay * push;
    p->x = clamp(p->x + p->vx, 4.0f, WIDTH - 4.0f);
    p->y = clamp(p->y + p->vy, 4.0f, HEIGHT - 4.0f);
    if (p->rapid > 0) p->rapid--;
    if (p->doubled > 0) p->doubled--;
    if (p->cooldown > 0) p->cooldown--;
    if ((buttons & FIRE) && p->cooldown == 0) fire(p, number);
}

static void hurt_player(player *p, float damage) {
    p->hp = p->hp - damage;
    world.shake = world.shake + damage * 0.25f;
    if (p->hp <= 0.0f) {
        p->hp = 0.0f;
        p->down = 5 * TICKS_A_SECOND;
        p->vx = p->vy = 0.0f;
    }
}

static void move_creature(creature *c) {
    if (c->mark < 0 || players[c->mark].down > 0 || (world.tick & 31) == 0) c->mark = nearest_player(c->x, c->y);
    if (c->mark < 0) return;
    player *p = &players[c->mark];
    float dx = p->x - c->x, dy = p->y - c->y;
    float d = distance(dx, dy) + 0.001f;
    float reach = kinds[c->kind].radius + 3.0f;
    float speed = kinds[c->kind].speed;
    if (c->kind == SPITTER && d < 90.0f) speed = -speed;
    c->vx = c->vx * 0.9f + dx / d * speed * 0.1f;
    c->vy = c->vy * 0.9f + dy / d * speed * 0.1f;
    if (c->kind == RUNNER) {
        c->vx = c->vx + (rng_unit() - 0.5f) * 0.2f;
        c->vy = c->vy + (rng_unit() - 0.5f) * 0.2f;
    }
    c->x = clamp(c->x + c->vx, 0.0f, WIDTH);
    c->y = clamp(c->y + c->vy, 0.0f, HEIGHT);
    if (c->windup > 0) {
        c->windup--;
        return;
    }
    if (c->kind == SPITTER) {
        spawn_projectile(-1, c->x, c->y, dx / d * 1.6f, dy / d * 1.6f, kinds[SPITTER].bite, 150);
        c->windup = kinds[SPITTER].windup;
    } else if (d <= reach) {
        hurt_player(p, kinds[c->kind].bite);
        c->windup = kinds[c->kind].windup;
    }
}

static void reward(player *p, const creature *c) {
    uint32_t points = kinds[c->kind].points;
    p->score += p->doubled > 0 ? 2 * points : points;
    p->experience += points;
    uint32_t next = 100 * (p->level + 1) * (p->level + 1);
    if (p->experience >= next) {
        p->level++;
        p->hp = clamp(p->hp + 25.0f, 0.0f, 100.0f);
    }
}

static void kill_creature(creature *c, player *by) {
    c->active = 0;
    world.killed++;
    reward(by, c);
    if (rng_next() % 100 < 12) spawn_bonus(c->x, c->y);
}

static void move_projectile(projectile *p) {
    p->x = p->x + p->vx;
    p->y = p->y + p->vy;
    if (--p->life <= 0 || p->x < 0.0f || p->y < 0.0f || p->x > WIDTH || p->y > HEIGHT) {
        p->active = 0;
        return;
    }
    if (p->owner < 0) {
        for (int i = 0; i < PLAYERS; i++) {
            player *of = &players[i];
            if (of->in_game && of->down == 0 && distance(of->x - p->x, of->y - p->y) <= 5.0f) {
                hurt_player(of, p->damage);
                p->active = 0;
                return;
            }
        }
        return;
    }
    for (int i = 0; i < CREATURES; i++) {
        creature *c = &creatures[i];
        if (!c->active || distance(c->x - p->x, c->y - p->y) > kinds[c->kind].radius) continue;
        c->hp = c->hp - p->damage;
        c->vx = c->vx + p->vx * 0.1f;
        c->vy = c->vy + p->vy * 0.1f;
        p->active = 0;
        if (c->hp <= 0.0f) kill_creature(c, &players[p->owner]);
        return;
    }
}

static void take_bonus(player *p, int32_t number, bonus *b) {
    b->active = 0;
    switch (b->kind) {
    case MEDKIT: p->hp = clamp(p->hp + 40.0f, 0.0f, 100.0f); break;
    case RAPID_FIRE: p->rapid = 8 * TICKS_A_SECOND; break;
    case DOUBLE_POINTS: p->doubled = 12 * TICKS_A_SECOND; break;
    case BLAST:
        for (int i = 0; i < 12; i++) {
            /* A ring without an angle: the corners of a dodecagon. */
            static const float ring[12][2] = {
                {1.0f, 0.0f}, {0.8660254f, 0.5f}, {0.5f, 0.8660254f}, {0.0f, 1.0f}, {-0.5f, 0.8660254f}, {-0.8660254f, 0.5f},
                {-1.0f, 0.0f}, {-0.8660254f, -0.5f}, {-0.5f, -0.8660254f}, {0.0f, -1.0f}, {0.5f, -0.8660254f}, {0.8660254f, -0.5f},
            };
            spawn_projectile(number, p->x, p->y, ring[i][0] * 3.0f, ring[i][1] * 3.0f, 4.0f, 40);
        }
        world.shake = world.shake + 4.0f;
        break;
    }
}

static void move_bonus(bonus *b) {
    if (--b->life <= 0) {
        b->active = 0;
        return;
    }
    for (int i = 0; i < PLAYERS; i++) {
        player *p = &players[i];
        if (p->in_game && p->down == 0 && distance(p->x - b->x, p->y - b->y) < 9.0f) {
            take_bonus(p, i, b);
            return;
        }
    }
}

void game_begin(uint32_t seed, int32_t player_count) {
    memset(&world, 0, sizeof world);
    memset(players, 0, sizeof players);
    memset(creatures, 0, sizeof creatures);
    memset(projectiles, 0, sizeof projectiles);
    memset(bonuses, 0, sizeof bonuses);
    rng_seed(seed);
    world.to_come = 6;
    for (int i = 0; i < player_count && i < PLAYERS; i++) {
        player *p = &players[i];
        p->in_game = 1;
        p->x = WIDTH * 0.5f + 16.0f * ((float)i - 1.5f);
        p->y = HEIGHT * 0.5f;
        p->aim_x = 1.0f;
        p->hp = 100.0f;
    }
}

void game_tick(const uint8_t buttons[PLAYERS]) {
    run_script();
    for (int i = 0; i < PLAYERS; i++)
        if (players[i].in_game) move_player(&players[i], i, buttons[i]);
    for (int i = 0; i < CREATURES; i++)
        if (creatures[i].active) move_creature(&creatures[i]);
    for (int i = 0; i < PROJECTILES; i++)
        if (projectiles[i].active) move_projectile(&projectiles[i]);
    for (int i = 0; i < BONUSES; i++)
        if (bonuses[i].active) move_bonus(&bonuses[i]);
    world.shake = world.shake < 0.01f ? 0.0f : world.shake * 0.8f;
    world.over = nearest_player(0.0f, 0.0f) < 0 ? world.over + 1 : 0;
    world.tick++;
}
