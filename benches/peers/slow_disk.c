/* An nbdkit plugin: a file as a disk of which each request takes a while, any number of them at once. */
#define _GNU_SOURCE
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
static int disk = -1;
static long microseconds;
static int config(const char *key, const char *value) {
  if (!strcmp(key, "disk")) disk = open(value, O_RDONLY);
  else if (!strcmp(key, "delay")) microseconds = atol(value);
  return disk < 0 && !strcmp(key, "disk") ? -1 : 0;
}
static void *slow_open(int readonly) { (void)readonly; return &disk; }
static int64_t get_size(void *handle) { struct stat s; (void)handle; return fstat(disk, &s) ? -1 : s.st_size; }
static int slow_pread(void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags) {
  struct timespec wait = {microseconds / 1000000, microseconds % 1000000 * 1000};
  (void)handle; (void)flags;
  nanosleep(&wait, NULL);
  return pread(disk, buffer, count, offset) == (ssize_t)count ? 0 : -1;
}
static int can_multi_conn(void *handle) { (void)handle; return 1; }
static struct nbdkit_plugin plugin = {
  .name = "slowdisk", .config = config, .open = slow_open, .get_size = get_size, .pread = slow_pread,
  .can_multi_conn = can_multi_conn,
};
NBDKIT_REGISTER_PLUGIN(plugin)
