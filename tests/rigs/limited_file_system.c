/* Preloaded into a program: refuses locks, or shared memory maps, below the folder that a variable names, as file systems
   over a network do. WITHOUT_LOCKS and WITHOUT_SHARED_MEMORY hold the folder's real path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whether a file lies below the folder that an environment variable names. */
static int lies_below(int file, const char *variable)
{
    const char *folder = getenv(variable);
    char link[64], path[4096];
    if (folder == NULL || file < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

int flock(int file, int operation)
{
    static int (*next)(int, int);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "flock");
    if (lies_below(file, "WITHOUT_LOCKS")) {
        errno = ENOLCK;
        return -1;
    }
    return next(file, operation);
}

static int locked(int file, int command)
{
    return (command == F_SETLK || command == F_SETLKW || command == F_GETLK) && lies_below(file, "WITHOUT_LOCKS");
}

/* Programs call one or the other, by the size of their file offsets. */
#define REPLACE_FCNTL(name)                              \
    int name(int file, int command, ...)                 \
    {                                                    \
        static int (*next)(int, int, void *);            \
        if (next == NULL)                                \
            next = dlsym(RTLD_NEXT, #name);              \
        va_list rest;                                    \
        va_start(rest, command);                         \
        void *argument = va_arg(rest, void *);           \
        va_end(rest);                                    \
        if (locked(file, command)) {                     \
            errno = ENOLCK;                              \
            return -1;                                   \
        }                                                \
        return next(file, command, argument);            \
    }

REPLACE_FCNTL(fcntl)
REPLACE_FCNTL(fcntl64)

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    static void *(*next)(void *, size_t, int, int, int, off_t);
    if (next == NULL)
        next = dlsym(RTLD_NEXT, "mmap");
    if ((flags & MAP_SHARED) && lies_below(file, "WITHOUT_SHARED_MEMORY")) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return next(address, length, protection, flags, file, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset)
{
    return mmap(address, length, protection, flags, file, offset);
}
