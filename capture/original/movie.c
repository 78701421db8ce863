#include "movie.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TICKS = 10 * 1000 * 1000 };

static int wrong(const char *path, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s\n", path, line, what);
    return 0;
}

static int hold(movie *of, const uint8_t buttons[PLAYERS], unsigned long count) {
    if (count == 0 || count > MOST_TICKS - of->ticks) return 0;
    uint8_t (*grown)[PLAYERS] = realloc(of->buttons, (of->ticks + count) * sizeof *grown);
    if (!grown) return 0;
    of->buttons = grown;
    for (unsigned long i = 0; i < count; i++) memcpy(of->buttons[of->ticks++], buttons, PLAYERS);
    return 1;
}

static int read_step(movie *of, char *text) {
    uint8_t buttons[PLAYERS] = {0};
    char *rest;
    unsigned long count = strtoul(text, &rest, 10);
    for (int i = 0; i < of->players; i++) {
        char *from = rest;
        unsigned long value = strtoul(from, &rest, 16);
        if (rest == from || value > 0x3f) return 0;
        buttons[i] = (uint8_t)value;
    }
    return rest[strspn(rest, " ")] == '\0' && hold(of, buttons, count);
}

static int read_lines(FILE *file, const char *path, movie *into) {
    char text[256];
    int line = 0;
    while (fgets(text, sizeof text, file)) {
        line++;
        text[strcspn(text, "\r\n")] = '\0';
        if (line == 1) {
            if (strcmp(text, "arena-movie 1")) return wrong(path, line, "\"arena-movie 1\" is expected");
        } else if (line == 2) {
            if (sscanf(text, "seed %u", &into->seed) != 1) return wrong(path, line, "\"seed N\" is expected");
        } else if (line == 3) {
            if (sscanf(text, "players %d", &into->players) != 1 || into->players < 1 || into->players > PLAYERS)
                return wrong(path, line, "\"players N\" is expected, N from 1 to 4");
        } else if (!read_step(into, text)) {
            return wrong(path, line, "ticks and each player's buttons in hexadecimal are expected, like \"30 00 18\"");
        }
    }
    if (ferror(file)) return wrong(path, line, strerror(errno));
    return line >= 3 ? 1 : wrong(path, line + 1, "the movie ends in its header");
}

int movie_read(const char *path, movie *into) {
    *into = (movie){0};
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 0;
    }
    int is_read = read_lines(file, path, into);
    fclose(file);
    if (!is_read) movie_free(into);
    return is_read;
}

void movie_free(movie *of) {
    free(of->buttons);
    of->buttons = NULL;
}
