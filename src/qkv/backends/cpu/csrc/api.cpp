// The functions of the library: which kernels this processor runs, a linear layer, and a program of operations that all
// threads go through together.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include "kernels.h"
#include "threads.h"

#define API extern "C" __attribute__((visibility("default")))

extern const Kernels kernels_scalar, kernels_avx2, kernels_avxvnni, kernels_avx512, kernels_avx512vnni;

namespace {

const Kernels* find(const char* name) {
#define OFFER(isa, condition) \
  if ((!name || !std::strcmp(name, #isa)) && (condition)) return &kernels_##isa;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define HAS __builtin_cpu_supports
  const bool avx2 = HAS("avx2") && HAS("fma"), avx512 = avx2 && HAS("avx512f") && HAS("avx512bw") && HAS("avx512vl") && HAS("avx512dq");
#if defined(QKV_HAS_AVX512VNNI)
  OFFER(avx512vnni, avx512 && HAS("avx512vnni"))
#endif
#if defined(QKV_HAS_AVX512)
  OFFER(avx512, avx512)
#endif
#if defined(QKV_HAS_AVXVNNI)
  unsigned a = 7, b = 0, c = 1, d = 0;  // the compiler's own test does not know this one
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  OFFER(avxvnni, avx2 && (a >> 4 & 1))
#endif
#if defined(QKV_HAS_AVX2)
  OFFER(avx2, avx2)
#endif
  (void)avx2, (void)avx512;
#endif
  OFFER(scalar, true)
  return nullptr;
}

std::atomic<const Kernels*> chosen{nullptr};

const Kernels& kernels() {
  const Kernels* found = chosen.load(std::memory_order_acquire);
  if (!found) chosen.store(found = find(nullptr), std::memory_order_release);
  return *found;
}

std::atomic<int> thread_count{0};

int threads(int wanted) {
  if (wanted > 0) return wanted;
  const int set = thread_count.load();
  return set > 0 ? set : std::max(1u, std::thread::hardware_concurrency());
}

constexpr int32_t GROUP = 32;  // columns of activations that share a scale
constexpr int LEVELS = 127;    // the largest code of an activation
int64_t padded(int64_t k) { return (k + 63) / 64 * 64; }

// Memory of a thread of the caller's, kept from call to call.
struct Workspace {
  char* memory = nullptr;
  size_t size = 0;
  ~Workspace() { std::free(memory); }
  char* need(size_t bytes) {
    if (bytes > size) {
      std::free(memory);
      size = 0;
      memory = static_cast<char*>(std::aligned_alloc(64, (bytes + 4095) / 4096 * 4096));
      if (memory) size = (bytes + 4095) / 4096 * 4096;
    }
    return memory;
  }
};

// Lays things out one behind the other: first without memory, to learn how much is needed.
struct Layout {
  char* base;
  size_t used = 0;
  template <class T> T* take(size_t count) {
    T* p = reinterpret_cast<T*>(base + used);
    used += (count * sizeof(T) + 63) / 64 * 64;
    return base ? p : nullptr;
  }
  Quantised quantised(int64_t rows, int64_t width) {
    Quantised q{};
    q.codes = take<int8_t>(rows * width);
    q.scales = take<float>(rows * (width / GROUP));
    q.sums = take<float>(rows * (width / GROUP));
    return q;
  }
};

// The parts of an operation, dealt to the threads as they come.
struct Deal {
  std::atomic<int>* next;
  template <class F> void operator()(int parts, const F& f) const {
    for (int i; (i = next->fetch_add(1, std::memory_order_relaxed)) < parts;) f(i);
  }
};

int chunk_of(int n, int threads, int64_t rows) {  // columns of a matrix that are one part: a multiple of 32, as panels are
  const int most = rows > 16 ? 128 : 256;
  return std::min(most, std::max(32, (n / (threads * 8) + 31) / 32 * 32));
}

void multiply(const Deal& deal, const Matrix& m, const float* x, int64_t ldx, const Quantised* q, float* y, int64_t ldy, int64_t rows, int act, int add, int threads) {
  const int chunk = chunk_of(m.n, threads, rows);
  deal((m.n + chunk - 1) / chunk, [&](int i) {
    kernels().linear(&m, x, ldx, q, y, ldy, rows, i * chunk, std::min(m.n, (i + 1) * chunk), act, add);
  });
}

struct Runner {
  const Program& program;
  const Call& call;
  float* buffers[16];
  Quantised quantised;
  float* scratch;  // of all threads
  int64_t scratch_size;
  std::atomic<int>* counters;

  float* at(int buffer, int column) const { return buffers[buffer] + column; }

  void operator()(int id, int count, Pool::Barrier& barrier) {
    Quantised q = quantised;  // every thread follows the width and group of the last OP_QUANTISE by itself
    for (int i = 0; i < program.op_count; i++) {
      step(program.ops[i], Deal{counters + i}, q, id, count);
      if (program.ops[i].sync) barrier.wait(count);
    }
  }

  void step(const Op& op, const Deal& deal, Quantised& q, int id, int count) const {
    const Kernels& k = kernels();
    const int64_t rows = call.rows, ls = program.widths[op.src], ld = program.widths[op.dst];
    const float* src = at(op.src, op.src_column);
    float* dst = at(op.dst, op.dst_column);
    switch (op.kind) {
      case OP_NORM:
        deal(static_cast<int>(rows), [&](int r) {
          for (int c = 0; c < op.count; c++)
            k.norm(src + r * ls + c * op.width, dst + r * ld + c * op.width, op.width, op.weight, op.bias, op.epsilon, op.norm, op.accumulate);
        });
        break;
      case OP_QUANTISE:
        q.width = padded(op.width);
        q.group = GROUP;
        deal(static_cast<int>(rows), [&](int r) { k.quantise(src + r * ls, op.width, LEVELS, &q, r); });
        break;
      case OP_LINEAR:
        multiply(deal, op.matrix, src, ls, &q, dst, ld, rows, op.act, op.accumulate, count);
        break;
      case OP_ROTATE: {
        if (!call.angles) break;
        const Angles& a = call.angles[call.many_angles ? op.layer : 0];
        if (!a.cos) break;
        deal(static_cast<int>(rows), [&](int r) {
          k.rotate(dst + r * ld, op.count, op.width, a.cos + static_cast<int64_t>(r) * a.width, a.sin + static_cast<int64_t>(r) * a.width, a.width);
        });
        break;
      }
      case OP_STORE:
        if (call.caches) deal(call.texts, [&](int t) { keep(op, t, src, ls); });
        break;
      case OP_ATTEND:
        attend(op, deal, src, ls, dst, ld, scratch + id * scratch_size);
        break;
      case OP_GATE:
        deal(static_cast<int>(rows), [&](int r) { k.gate(src + r * ls, src + r * ls + op.width, dst + r * ld, op.width, op.act); });
        break;
    }
  }

  // Keys and values of a text's rows, which stand behind its queries, into the cache.
  void keep(const Op& op, int text, const float* src, int64_t ls) const {
    const Cache& cache = call.caches[op.layer];
    const int c = op.width, rows = call.starts[text + 1] - call.starts[text];
    for (int r = 0; r < rows; r++)
      for (int h = 0; h < op.kv_heads; h++) {
        const float* key = src + (call.starts[text] + r) * ls + (op.heads + h) * c;
        const int64_t place = text * cache.batch_stride + h * cache.head_stride + (cache.past + r) * cache.key_stride;
        std::memcpy(cache.keys + place, key, 4 * c);
        std::memcpy(cache.values + place, key + op.kv_heads * c, 4 * c);
      }
  }

  void attend(const Op& op, const Deal& deal, const float* src, int64_t ls, float* dst, int64_t ld, float* own) const {
    const int c = op.width, group = op.heads / op.kv_heads;
    int most = 1;  // blocks of queries that a text has
    for (int t = 0; t < call.texts; t++)
      most = std::max(most, ((call.starts[t + 1] - call.starts[t]) * group + QUERY_BLOCK - 1) / QUERY_BLOCK);
    deal(call.texts * op.kv_heads * most, [&](int part) {
      const int text = part / (op.kv_heads * most), head = part / most % op.kv_heads, row = call.starts[text];
      const int i0 = part % most * QUERY_BLOCK, i1 = std::min(i0 + QUERY_BLOCK, (call.starts[text + 1] - row) * group);
      if (i0 >= i1) return;
      const float *rows = src + row * ls, *keys = rows + (op.heads + head) * c, *values = keys + op.kv_heads * c;
      int64_t stride = ls;
      if (call.caches) {
        const Cache& cache = call.caches[op.layer];
        const int64_t place = text * cache.batch_stride + head * cache.head_stride;
        keys = cache.keys + place, values = cache.values + place, stride = cache.key_stride;
      }
      const Spans& all = call.spans[call.many_spans ? op.layer : 0];
      const Spans spans{all.first + row, all.last + row};
      kernels().attend(&op, &spans, rows + head * group * c, ls, keys, values, stride, i0, i1, dst + row * ld + head * group * c, ld, own);
    });
  }
};

}  // namespace

API int qkv_abi(void) { return 1; }
API const char* qkv_digest(void) { return QKV_DIGEST; }
API const char* qkv_isa(void) { return kernels().name; }

API int qkv_use_isa(const char* name) {
  const Kernels* found = find(name);
  if (found) chosen.store(found, std::memory_order_release);
  return found ? 0 : -1;
}

API int qkv_threads(int n) {
  if (n > 0) thread_count.store(n);
  return threads(0);
}

// OpenMP's functions GOMP_parallel, omp_get_thread_num and omp_get_num_threads, for jobs to run on its threads.
API void qkv_team(void* parallel, void* id, void* count) {
  Pool::Team& team = Pool::team();
  team.id = reinterpret_cast<int (*)()>(id);
  team.count = reinterpret_cast<int (*)()>(count);
  team.parallel = reinterpret_cast<void (*)(void (*)(void*), void*, unsigned, unsigned)>(parallel);
}

API int qkv_linear(const Matrix* m, const float* x, float* y, int64_t rows) {
  static thread_local Workspace workspace;
  if (m->kind < MATRIX_F32 || m->kind > MATRIX_INT4) return -1;
  const bool few_bits = m->kind >= MATRIX_INT8;
  Quantised q{};
  std::atomic<int> counters[2];
  counters[0] = counters[1] = 0;
  if (few_bits) {
    Layout plan{nullptr};
    plan.quantised(rows, padded(m->k));
    char* memory = workspace.need(plan.used);
    if (!memory) return -1;
    Layout real{memory};
    q = real.quantised(rows, padded(m->k));
    q.width = padded(m->k);
    q.group = GROUP;
  }
  Pool::run(threads(0), [&](int, int count, Pool::Barrier& barrier) {
    if (few_bits) {
      Deal{counters}(static_cast<int>(rows), [&](int r) { kernels().quantise(x + r * static_cast<int64_t>(m->k), m->k, LEVELS, &q, r); });
      barrier.wait(count);
    }
    multiply(Deal{counters + 1}, *m, x, m->k, &q, y, m->n, rows, ACT_NONE, 0, count);
  });
  return 0;
}

// Run a program on the rows of a call. Returns 0, or -1 if there is not enough memory.
API int qkv_run(const Program* program, const Call* call) {
  static thread_local Workspace workspace;
  const int count = threads(call->threads);
  int64_t widest = 64, head = 1, keys = 1;
  int layers = 0;
  for (int i = 0; i < program->op_count; i++) {
    const Op& op = program->ops[i];
    if (op.kind == OP_QUANTISE) widest = std::max(widest, padded(op.width));
    if (op.kind == OP_ATTEND) head = std::max<int64_t>(head, op.width), layers = std::max(layers, op.layer + 1);
  }
  for (int i = 0; i < (call->many_spans ? layers : 1); i++)
    for (int64_t r = 0; r < call->rows; r++) keys = std::max<int64_t>(keys, call->spans[i].last[r]);
  Runner runner{*program, *call, {}, {}, nullptr, QUERY_BLOCK * (head + keys + 16), nullptr};
  Layout layout{nullptr};
  for (int pass = 0; pass < 2; pass++) {
    runner.buffers[0] = call->x;
    for (int b = 1; b < program->buffer_count; b++) runner.buffers[b] = layout.take<float>(call->rows * program->widths[b]);
    runner.quantised = layout.quantised(call->rows, widest);
    runner.scratch = layout.take<float>(runner.scratch_size * count);
    runner.counters = layout.take<std::atomic<int>>(program->op_count);
    if (pass == 0 && !(layout = Layout{workspace.need(layout.used)}).base) return -1;
  }
  for (int i = 0; i < program->op_count; i++) new (runner.counters + i) std::atomic<int>(0);
  Pool::run(count, [&](int id, int n, Pool::Barrier& barrier) { runner(id, n, barrier); });
  return 0;
}
