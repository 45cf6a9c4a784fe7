/* Preloaded into a process: writes down what it does to the files of one folder, in order, with the data.
 *
 * From the log `tests.torture.disk` builds the folder as a power cut may leave it at any point. The log is
 * TORTURE_OPLOG; the folder is TORTURE_FOLDER (absolute, without links). Each record is the header below,
 * then the two names and the data. Names are relative to the folder. What is written through mmap is not
 * seen: SQLite maps its -shm file alone, and makes that anew after a crash.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, RENAME, UNLINK, LINK };

struct header {
    uint32_t kind, name_bytes, other_bytes, data_bytes;
    uint64_t inode, offset, at_ns;
};

enum { MOST_FILES = 65536, MOST_PATH = 4096 };
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static unsigned char watched[MOST_FILES];
static int log_fd = -1;
static char folder[MOST_PATH];
static size_t folder_bytes;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TORTURE_OPLOG"), *root = getenv("TORTURE_FOLDER");
    if (path == NULL || root == NULL || strlen(root) >= sizeof folder) return;
    strcpy(folder, root);
    folder_bytes = strlen(folder);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}


/* The name below the folder, or NULL for a path elsewhere; "" for the folder itself. */
static const char *inside(int at, const char *path) {
    if (log_fd < 0 || path == NULL || (at != AT_FDCWD && path[0] != '/')) return NULL;
    if (strncmp(path, folder, folder_bytes) != 0) return NULL;
    path += folder_bytes;
    return path[0] == '/' ? path + 1 : path[0] == '\0' ? path : NULL;
}

static void note(enum kind kind, uint64_t inode, uint64_t offset, const char *name, const char *other,
                 const void *data, size_t data_bytes) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct header header = {kind, name ? strlen(name) : 0, other ? strlen(other) : 0, data_bytes,
                            inode, offset, now.tv_sec * 1000000000ull + now.tv_nsec};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)name, header.name_bytes},
                            {(void *)other, header.other_bytes}, {(void *)data, data_bytes}};
    syscall(SYS_writev, log_fd, parts, 4);
}

static uint64_t inode_of(int fd, int *is_folder) {
    struct stat found;
    if (fstat(fd, &found) != 0) return 0;
    if (is_folder) *is_folder = S_ISDIR(found.st_mode);
    return found.st_ino;
}

static int is_watched(int fd) { return fd >= 0 && fd < MOST_FILES && watched[fd]; }

static int open_noted(int at, const char *path, int flags, mode_t mode) {
    const char *name = inside(at, path);
    if (name == NULL) {
        int fd = (int)syscall(SYS_openat, at, path, flags, mode);
        if (fd >= 0 && fd < MOST_FILES) watched[fd] = 0;
        return fd;
    }
    pthread_mutex_lock(&one_at_a_time);
    struct stat before;
    int is_new = (flags & O_CREAT) && stat(path, &before) != 0;
    int fd = (int)syscall(SYS_openat, at, path, flags, mode), saved = errno;
    if (fd >= 0 && fd < MOST_FILES) {
        watched[fd] = 1;
        if (is_new) note(CREATE, inode_of(fd, NULL), 0, name, NULL, NULL, 0);
        else if (flags & O_TRUNC) note(TRUNCATE, inode_of(fd, NULL), 0, NULL, NULL, NULL, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return fd;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { MODE(flags) return open_noted(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_noted(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return open_noted(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return open_noted(at, path, flags, mode); }

int close(int fd) {
    if (fd >= 0 && fd < MOST_FILES) watched[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

static ssize_t write_noted(int fd, const void *data, size_t bytes, int64_t offset) {
    if (!is_watched(fd))
        return offset < 0 ? syscall(SYS_write, fd, data, bytes) : syscall(SYS_pwrite64, fd, data, bytes, offset);
    pthread_mutex_lock(&one_at_a_time);
    int64_t at = offset;
    if (offset < 0) {
        at = lseek(fd, 0, SEEK_CUR);
        if (fcntl(fd, F_GETFL) & O_APPEND) {
            struct stat found;
            if (fstat(fd, &found) == 0) at = found.st_size;
        }
    }
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, data, bytes) : syscall(SYS_pwrite64, fd, data, bytes, offset);
    int saved = errno;
    if (done > 0) note(WRITE, inode_of(fd, NULL), at, NULL, NULL, data, done);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return done;
}

ssize_t write(int fd, const void *data, size_t bytes) { return write_noted(fd, data, bytes, -1); }
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return write_noted(fd, data, bytes, at); }
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) { return write_noted(fd, data, bytes, at); }

static int truncate_noted(int fd, int64_t length) {
    pthread_mutex_lock(&one_at_a_time);
    int failed = (int)syscall(SYS_ftruncate, fd, length), saved = errno;
    if (!failed && is_watched(fd)) note(TRUNCATE, inode_of(fd, NULL), length, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return failed;
}

int ftruncate(int fd, off_t length) { return truncate_noted(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_noted(fd, length); }

static int sync_noted(int fd, long call) {
    if (!is_watched(fd)) return (int)syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    int failed = (int)syscall(call, fd), saved = errno, is_folder = 0;
    uint64_t inode = inode_of(fd, &is_folder);
    if (!failed) note(is_folder ? SYNC_FOLDER : SYNC, inode, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return failed;
}

int fsync(int fd) { return sync_noted(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_noted(fd, SYS_fdatasync); }

static int names_noted(enum kind kind, int failed, int from_at, const char *from, int to_at, const char *to) {
    int saved = errno;
    const char *name = inside(from_at, from), *other = inside(to_at, to);
    if (!failed && name != NULL) note(kind, 0, 0, name, other, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = saved;
    return failed;
}

#define ALONE(call) (pthread_mutex_lock(&one_at_a_time), (call))

int renameat(int from_at, const char *from, int to_at, const char *to) {
    int failed = ALONE((int)syscall(SYS_renameat2, from_at, from, to_at, to, 0));
    return names_noted(RENAME, failed, from_at, from, to_at, to);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    int failed = ALONE((int)syscall(SYS_linkat, from_at, from, to_at, to, flags));
    return names_noted(LINK, failed, from_at, from, to_at, to);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int unlinkat(int at, const char *path, int flags) {
    int failed = ALONE((int)syscall(SYS_unlinkat, at, path, flags));
    return names_noted(UNLINK, failed, at, path, AT_FDCWD, NULL);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
