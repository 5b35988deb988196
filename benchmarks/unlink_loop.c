/* The floor: one unlinkat a file and nothing else. unlink_loop DIR < names, each ended by a NUL.
 *
 * Prints the nanoseconds of the loop alone: starting the process and reading the names are not removal. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    size_t size = 0, room = 1 << 20, got;
    char *names = malloc(room);
    int dir = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
    if (dir < 0 || !names) return 2;
    while ((got = fread(names + size, 1, room - size, stdin)) > 0) {
        size += got;
        if (size == room && !(names = realloc(names, room *= 2))) return 2;
    }
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (char *name = names; name < names + size; name += strlen(name) + 1)
        if (unlinkat(dir, name, 0) != 0) return 1;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%lld\n", (ended.tv_sec - began.tv_sec) * 1000000000LL + (ended.tv_nsec - began.tv_nsec));
    return 0;
}
