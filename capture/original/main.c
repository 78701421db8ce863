/* arena play [SEED]            in a terminal: arrows or wasd move, space fires, x dashes, q leaves
 * arena run MOVIE [--fast]     plays a movie, at 60 ticks a second or as fast as it goes, and prints how it ended */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "game.h"
#include "movie.h"

enum { COLUMNS = 80, ROWS = 23 };

static void wait_for(const struct timespec *start, uint32_t tick) {
    struct timespec until = *start;
    uint64_t nanoseconds = (uint64_t)tick * 1000000000u / TICKS_A_SECOND + (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(nanoseconds / 1000000000u);
    until.tv_nsec = (long)(nanoseconds % 1000000000u);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {}
}

static void put(char screen[ROWS][COLUMNS + 1], float x, float y, char what) {
    int column = (int)(x * (COLUMNS - 1) / WIDTH), row = (int)(y * (ROWS - 1) / HEIGHT);
    if (column >= 0 && column < COLUMNS && row >= 0 && row < ROWS) screen[row][column] = what;
}

static void draw(void) {
    char screen[ROWS][COLUMNS + 1];
    memset(screen, ' ', sizeof screen);
    for (int i = 0; i < BONUSES; i++)
        if (bonuses[i].active) put(screen, bonuses[i].x, bonuses[i].y, "+R2*"[bonuses[i].kind]);
    for (int i = 0; i < PROJECTILES; i++)
        if (projectiles[i].active) put(screen, projectiles[i].x, projectiles[i].y, projectiles[i].owner < 0 ? 'o' : '.');
    for (int i = 0; i < CREATURES; i++)
        if (creatures[i].active) put(screen, creatures[i].x, creatures[i].y, "crsB"[creatures[i].kind]);
    for (int i = 0; i < PLAYERS; i++)
        if (players[i].in_game) put(screen, players[i].x, players[i].y, players[i].down ? '_' : (char)('1' + i));
    printf("\x1b[H wave %u   hp %3d   score %u   level %u   killed %u\x1b[K\n", world.wave + 1, (int)players[0].hp,
           players[0].score, players[0].level, world.killed);
    for (int row = 0; row < ROWS; row++) {
        screen[row][COLUMNS] = '\0';
        printf("%s\n", screen[row]);
    }
    fflush(stdout);
}

/* What a terminal tells of keys is that they are typed, not that they are held: each counts for a while. */
static uint8_t read_buttons(int held[6], int *leaves) {
    char typed[64];
    ssize_t count = read(STDIN_FILENO, typed, sizeof typed);
    for (ssize_t i = 0; i < count; i++) {
        char key = typed[i];
        if (key == '\x1b' && i + 2 < count && typed[i + 1] == '[') {
            key = "wsda"[(typed[i + 2] - 'A') & 3];
            i += 2;
        }
        const char *at = key ? strchr("wsad x", key) : NULL;
        if (at) held[at - "wsad x"] = 14;
        if (key == 'q' || key == 3) *leaves = 1;
    }
    uint8_t buttons = 0;
    for (int i = 0; i < 6; i++)
        if (held[i] > 0) {
            held[i]--;
            buttons |= (uint8_t)(1 << i);
        }
    return buttons;
}

static int play(uint32_t seed) {
    struct termios before, raw;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        fprintf(stderr, "arena: play wants a terminal; `arena run MOVIE` needs none\n");
        return 2;
    }
    raw = before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    printf("\x1b[2J\x1b[?25l");
    int held[6] = {0}, leaves = 0;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    game_begin(seed, 1);
    while (!leaves && world.over < 3 * TICKS_A_SECOND) {
        uint8_t buttons[PLAYERS] = {read_buttons(held, &leaves)};
        game_tick(buttons);
        if (world.tick % 2 == 0) draw();
        wait_for(&start, world.tick);
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    printf("\x1b[?25h\n");
    return 0;
}

static int run(const char *path, int is_fast) {
    movie of;
    if (!movie_read(path, &of)) return 2;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    game_begin(of.seed, of.players);
    for (uint32_t tick = 0; tick < of.ticks; tick++) {
        game_tick(of.buttons[tick]);
        if (!is_fast) wait_for(&start, world.tick);
    }
    printf("ticks %u wave %u killed %u shots %u rng %u\n", world.tick, world.wave + 1, world.killed, world.shots, rng_state);
    for (int i = 0; i < of.players; i++)
        printf("player %d score %u level %u hp %g\n", i + 1, players[i].score, players[i].level, (double)players[i].hp);
    movie_free(&of);
    return 0;
}

int main(int count, char **words) {
    if (count >= 2 && count <= 3 && !strcmp(words[1], "play"))
        return play(count == 3 ? (uint32_t)strtoul(words[2], NULL, 10) : (uint32_t)time(NULL));
    if (count >= 3 && count <= 4 && !strcmp(words[1], "run") && (count == 3 || !strcmp(words[3], "--fast")))
        return run(words[2], count == 4);
    fprintf(stderr, "usage: arena play [SEED]\n       arena run MOVIE [--fast]\n");
    return 2;
}
