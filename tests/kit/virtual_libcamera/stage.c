/* Lets libcamera's virtual pipeline run on any kernel, and fail when a test says so. Loaded with LD_PRELOAD.
 *
 * The folder in VIRTUAL_LIBCAMERA_STAGE is the stage: its virtual.yaml is the one that libcamera reads, the file
 * `unplugged` takes that away and `hang` stops the frames.
 *
 * The kernel's DMA heap, from which picamera2 takes its buffers, is played with memfd; what synchronises caches
 * (DMA_BUF_IOCTL_SYNC, _SET_NAME) has nothing to do. libcamera opens no virtual camera without /dev/udmabuf, which
 * is played the same way. The pipeline maps a buffer for each frame that it draws: there it hangs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIGURATION "/pipeline/virtual/virtual.yaml"

static int on_stage(const char *name, char *path, size_t size)
{
	const char *stage = getenv("VIRTUAL_LIBCAMERA_STAGE");
	struct stat found;
	return stage && snprintf(path, size, "%s/%s", stage, name) < (int)size && stat(path, &found) == 0;
}

static const char *redirected(const char *path, char *staged, size_t size)
{
	size_t length = strlen(path), tail = strlen(CONFIGURATION);
	if (length < tail || strcmp(path + length - tail, CONFIGURATION))
		return path;
	if (on_stage("unplugged", staged, size) || !on_stage("virtual.yaml", staged, size))
		return "/nonexistent";
	return staged;
}

static int open_on_stage(const char *function, const char *path, int flags, mode_t mode)
{
	char staged[4096];
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, function);
	if (!strcmp(path, "/dev/udmabuf") || !strcmp(path, "/dev/dma_heap/linux,cma"))
		return memfd_create("udmabuf", MFD_CLOEXEC);
	return real(redirected(path, staged, sizeof(staged)), flags, mode);
}

#define OPEN(name)                                                                                         \
	int name(const char *path, int flags, ...)                                                         \
	{                                                                                                  \
		va_list rest;                                                                              \
		va_start(rest, flags);                                                                     \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                     \
		va_end(rest);                                                                              \
		return open_on_stage(#name, path, flags, mode);                                            \
	}
OPEN(open)
OPEN(open64)

#define STAT(name, type)                                                                                   \
	int name(const char *restrict path, struct type *restrict found)                                   \
	{                                                                                                  \
		char staged[4096];                                                                         \
		int (*real)(const char *, struct type *) = dlsym(RTLD_NEXT, #name);                        \
		return real(redirected(path, staged, sizeof(staged)), found);                              \
	}
STAT(stat64, stat64)

int ioctl(int fd, unsigned long request, ...)
{
	va_list rest;
	va_start(rest, request);
	void *argument = va_arg(rest, void *);
	va_end(rest);
	if (request == UDMABUF_CREATE)
		return fcntl(((struct udmabuf_create *)argument)->memfd, F_DUPFD_CLOEXEC, 0);
	if (request == DMA_HEAP_IOCTL_ALLOC) {
		struct dma_heap_allocation_data *wanted = argument;
		int file = memfd_create("heap", MFD_CLOEXEC);
		if (file < 0 || ftruncate(file, wanted->len))
			return -1;
		wanted->fd = file;
		return 0;
	}
	if (_IOC_TYPE(request) == DMA_BUF_BASE && _IOC_NR(request) <= 1)
		return 0;
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	return real(fd, request, argument);
}

static int is_frame(int fd)
{
	char name[64], link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, name, sizeof(name) - 1);
	return length > 0 && (name[length] = 0, !strncmp(name, "/memfd:", 7));
}

#define MMAP(name, offset_type)                                                                            \
	void *name(void *address, size_t length, int protection, int flags, int fd, offset_type offset)    \
	{                                                                                                  \
		char path[4096];                                                                           \
		void *(*real)(void *, size_t, int, int, int, offset_type) = dlsym(RTLD_NEXT, #name);       \
		while (fd >= 0 && is_frame(fd) &&                                                          \
		       (on_stage("hang", path, sizeof(path)) || on_stage("unplugged", path, sizeof(path)))) \
			pause();                                                                           \
		return real(address, length, protection, flags, fd, offset);                               \
	}
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)
