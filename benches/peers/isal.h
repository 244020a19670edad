/* Has isa-l_crypto's benchmark program go by processor time, as ours does, and use the instructions of -DKIND=avx2 or
 * -DKIND=sse_ni (the SHA instructions), whatever it would choose: it takes AVX2 where a processor has both. */
#include <sys/time.h>
#include <time.h>

static inline int processor_time(struct timeval *now, void *zone) {
  struct timespec time;
  (void)zone;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}
#define gettimeofday processor_time

#include "sha256_mb.h"

#define NAMED(name, kind) _sha256_ctx_mgr_##name##_##kind
#define OF_KIND(name, kind) NAMED(name, kind)
#define INIT OF_KIND(init, KIND)
#define SUBMIT OF_KIND(submit, KIND)
#define FLUSH OF_KIND(flush, KIND)

extern void INIT(ISAL_SHA256_HASH_CTX_MGR *);
extern ISAL_SHA256_HASH_CTX *SUBMIT(ISAL_SHA256_HASH_CTX_MGR *, ISAL_SHA256_HASH_CTX *, const void *, uint32_t,
                                    ISAL_HASH_CTX_FLAG);
extern ISAL_SHA256_HASH_CTX *FLUSH(ISAL_SHA256_HASH_CTX_MGR *);

#define isal_sha256_ctx_mgr_init(mgr) (INIT(mgr), 0)
#define isal_sha256_ctx_mgr_submit(mgr, in, out, bytes, length, flags) (*(out) = SUBMIT(mgr, in, bytes, length, flags), 0)
#define isal_sha256_ctx_mgr_flush(mgr, out) (*(out) = FLUSH(mgr), 0)
