// The functions of the library: which kernels this processor runs, a linear layer, and a program of operations that all
// threads go through together.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
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

constexpr int BUFFERS = 16;    // of a program at most
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
  std::atomic<int>* counters(size_t count) {
    std::atomic<int>* found = take<std::atomic<int>>(count);
    if (found) std::memset(static_cast<void*>(found), 0, sizeof(*found) * count);
    return found;
  }
  Quantised quantised(int64_t rows, int64_t width) {
    Quantised q{};
    q.codes = take<int8_t>(rows * width);
    q.scales = take<float>(rows * (width / FINE_GROUP));
    q.sums = take<float>(rows * (width / FINE_GROUP));
    q.begins = take<int32_t>(rows * (width / FINE_GROUP));
    return q;
  }
};

// The parts of an operation. Each thread takes those of its own stretch, in their order, so that it reads weights as one
// stream; then what is left of the others'.
struct Deal {
  std::atomic<int>* next;  // of each thread's stretch
  int id, count;
  bool all;  // this thread does all parts, for itself
  template <class F> void operator()(int parts, const F& f) const {
    if (all) {
      for (int i = 0; i < parts; i++) f(i);
      return;
    }
    for (int t = 0; t < count; t++) {
      const int whose = (id + t) % count, begin = parts * whose / count, end = parts * (whose + 1) / count;
      for (int i; (i = begin + next[whose].fetch_add(1, std::memory_order_relaxed)) < end;) f(i);
    }
  }
};

int chunk_of(int n, int threads, int64_t rows) {  // columns of a matrix that are one part: a multiple of 32, as panels are
  const int most = rows > 16 ? 128 : 256;
  return std::min(most, std::max(32, (n / (threads * 8) + 31) / 32 * 32));
}

void multiply(const Deal& deal, const Matrix& m, const float* x, int64_t ldx, const Quantised* q, float* y, int64_t ldy, int64_t rows, int act, int add) {
  const int chunk = chunk_of(m.n, deal.count, rows);
  deal((m.n + chunk - 1) / chunk, [&](int i) {
    kernels().linear(&m, x, ldx, q, y, ldy, rows, i * chunk, std::min(m.n, (i + 1) * chunk), act, add);
  });
}

constexpr int FEW = 2;  // rows that are sooner made by each thread for itself than by one for all

// What one thread does in a call: its buffers are those of all threads, but for a few rows where it has some for itself.
struct Worker {
  const Program& program;
  const Call& call;
  float* buffers[BUFFERS];
  Quantised q;  // follows the width and group of the last OP_QUANTISE
  float* scratch;

  void run(int first, int last, std::atomic<int>* counters, int id, int count, Pool::Barrier& barrier) {
    const bool few = call.rows <= FEW;
    for (int i = first; i < last; i++) {
      const Op& op = program.ops[i];
      const bool mine = few && op.own;
      step(op, Deal{counters + static_cast<int64_t>(i - first) * count, id, count, mine});
      if (op.sync && !mine && !fused(op)) barrier.wait(count);
    }
  }

  // Whether OP_ATTEND turns and stores what it reads: of texts of one row each, whose heads are one part each.
  bool whole(const Op& op) const { return call.caches && call.rows == call.texts && op.heads <= op.kv_heads * QUERY_BLOCK; }
  bool fused(const Op& op) const { return (op.kind == OP_ROTATE || op.kind == OP_STORE) && whole(op); }

  void step(const Op& op, const Deal& deal) {
    if (fused(op)) return;
    const Kernels& k = kernels();
    const int64_t rows = call.rows, ls = program.widths[op.src], ld = program.widths[op.dst];
    float* src = buffers[op.src] + op.src_column;
    float* dst = buffers[op.dst] + op.dst_column;
    switch (op.kind) {
      case OP_EMBED:
        deal(static_cast<int>(rows), [&](int r) { embed(op, r, dst + r * ld); });
        break;
      case OP_NORM:
        deal(static_cast<int>(rows), [&](int r) {
          for (int c = 0; c < op.count; c++)
            k.norm(src + r * ls + c * op.width, dst + r * ld + c * op.width, op.width, op.weight, op.bias, op.epsilon, op.norm, op.accumulate);
        });
        break;
      case OP_QUANTISE:
        q.width = padded(op.width);
        q.group = op.matrix.kind == MATRIX_INT8 && !call.caches ? WIDE_GROUP : FINE_GROUP;
        deal(static_cast<int>(rows), [&](int r) { k.quantise(src + r * ls, op.count ? src + r * ls + op.count : nullptr, op.width, op.act, &q, r); });
        break;
      case OP_LINEAR:
        multiply(deal, op.matrix, src, ls, &q, dst, ld, rows, op.act, op.accumulate);
        break;
      case OP_ROTATE:
        deal(static_cast<int>(rows), [&](int r) { rotate(op, r, dst + r * ld, op.count); });
        break;
      case OP_STORE:
        if (call.caches) deal(call.texts, [&](int t) { store(op, t, src, ls, 0, op.kv_heads); });
        break;
      case OP_ATTEND:
        attend(op, deal, src, ls, dst, ld);
        break;
      case OP_GATE:
        deal(static_cast<int>(rows), [&](int r) { k.gate(src + r * ls, src + r * ls + op.width, dst + r * ld, op.width, op.act); });
        break;
    }
  }

  // A row of the table of tokens, and one of the table of positions.
  void embed(const Op& op, int row, float* x) const {
    const Matrix& m = op.matrix;
    const int64_t id = call.tokens[row];
    const float* position = op.weight ? op.weight + static_cast<int64_t>(call.positions[row]) * m.k : nullptr;
    const float* plain = static_cast<const float*>(m.weight) + id * m.k;
    const uint8_t* codes = static_cast<const uint8_t*>(m.weight) + id / 16 * 16 * padded(m.k) + id % 16 * 4;
    for (int c = 0; c < m.k; c++) {
      const float w = m.kind == MATRIX_F32 ? plain[c] : (codes[c / 4 * 64 + c % 4] - 128) * m.scale[id];
      x[c] = w * op.scale + (position ? position[c] : 0.0f);
    }
  }

  void rotate(const Op& op, int row, float* heads, int count) const {
    if (!call.angles) return;
    const Angles& a = call.angles[call.many_angles ? op.layer : 0];
    const int64_t place = (call.positions ? call.positions[row] : row) * a.width;
    if (a.cos) kernels().rotate(heads, count, op.width, a.cos + place, a.sin + place, a.width);
  }

  // Keys and values of a text's rows, which stand behind its queries, into the cache: heads h0...h1-1.
  void store(const Op& op, int text, const float* src, int64_t ls, int h0, int h1) const {
    const Cache& cache = call.caches[op.layer];
    const int c = op.width, rows = call.starts[text + 1] - call.starts[text];
    for (int r = 0; r < rows; r++)
      for (int h = h0; h < h1; h++) {
        const float* key = src + (call.starts[text] + r) * ls + (op.heads + h) * c;
        const int64_t place = text * cache.batch_stride + h * cache.head_stride + (cache.past + r) * cache.key_stride;
        std::memcpy(cache.keys + place, key, 4 * c);
        std::memcpy(cache.values + place, key + op.kv_heads * c, 4 * c);
      }
  }

  void attend(const Op& op, const Deal& deal, float* src, int64_t ls, float* dst, int64_t ld) const {
    const int c = op.width, group = op.heads / op.kv_heads;
    int most = 1;  // blocks of queries that a text has
    for (int t = 0; t < call.texts; t++)
      most = std::max(most, ((call.starts[t + 1] - call.starts[t]) * group + QUERY_BLOCK - 1) / QUERY_BLOCK);
    deal(call.texts * op.kv_heads * most, [&](int part) {
      const int text = part / (op.kv_heads * most), head = part / most % op.kv_heads, row = call.starts[text];
      const int i0 = part % most * QUERY_BLOCK, i1 = std::min(i0 + QUERY_BLOCK, (call.starts[text + 1] - row) * group);
      if (i0 >= i1) return;
      if (whole(op)) {
        rotate(op, row, src + row * ls + head * group * c, group);
        rotate(op, row, src + row * ls + (op.heads + head) * c, 1);
        store(op, text, src, ls, head, head + 1);
      }
      const float *rows = src + row * ls, *keys = rows + (op.heads + head) * c, *values = keys + op.kv_heads * c;
      int64_t stride = ls;
      if (call.caches) {
        const Cache& cache = call.caches[op.layer];
        const int64_t place = text * cache.batch_stride + head * cache.head_stride;
        keys = cache.keys + place, values = cache.values + place, stride = cache.key_stride;
      }
      const Spans& all = call.spans[call.many_spans ? op.layer : 0];
      const Spans spans{all.first + row, all.last + row};
      kernels().attend(&op, &spans, rows + head * group * c, ls, keys, values, stride, i0, i1, dst + row * ld + head * group * c, ld, scratch);
    });
  }
};

}  // namespace

API int qkv_abi(void) { return 2; }
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
  const int threads_wanted = threads(0);
  Quantised q{};
  std::atomic<int>* counters = nullptr;
  Layout layout{nullptr};
  for (int pass = 0; pass < 2; pass++) {
    if (few_bits) q = layout.quantised(rows, padded(m->k));
    counters = layout.counters(2 * threads_wanted);
    if (pass == 0 && !(layout = Layout{workspace.need(layout.used)}).base) return -1;
  }
  q.width = padded(m->k);
  q.group = FINE_GROUP;
  Pool::run(threads_wanted, [&](int id, int count, Pool::Barrier& barrier) {
    if (few_bits) {
      Deal{counters, id, count, false}(static_cast<int>(rows), [&](int r) { kernels().quantise(x + r * static_cast<int64_t>(m->k), nullptr, m->k, ACT_NONE, &q, r); });
      barrier.wait(count);
    }
    multiply(Deal{counters + count, id, count, false}, *m, x, m->k, &q, y, m->n, rows, ACT_NONE, 0);
  });
  return 0;
}

// Run the operations first...last-1 of a program on the rows of a call.
// Returns 0, or -1 if there is not enough memory or a token or position is outside its table.
API int qkv_run(const Program* program, const Call* call) {
  static thread_local Workspace workspace;
  const int count = threads(call->threads), first = call->first, last = call->last;
  int64_t widest = 64, head = 1, keys = 1;
  int layers = 0;
  bool own[BUFFERS] = {};
  for (int i = first; i < last; i++) {
    const Op& op = program->ops[i];
    own[op.dst] |= op.own && op.kind != OP_QUANTISE;
    if (op.kind == OP_QUANTISE) widest = std::max(widest, padded(op.width));
    if (op.kind == OP_ATTEND) head = std::max<int64_t>(head, op.width), layers = std::max(layers, op.layer + 1);
    if (op.kind == OP_EMBED)
      for (int64_t r = 0; r < call->rows; r++)
        if (call->tokens[r] < 0 || call->tokens[r] >= op.matrix.n || call->positions[r] >= op.count) return -1;
  }
  for (int i = 0; i < (call->many_spans ? layers : 1); i++)
    for (int64_t r = 0; r < call->rows; r++) keys = std::max<int64_t>(keys, call->spans[i].last[r]);
  const int copies = call->rows <= FEW ? count : 1;  // of what threads have for themselves
  const int64_t scratch_size = QUERY_BLOCK * (head + keys + 16);
  float *buffers[BUFFERS] = {}, *scratch = nullptr;
  Quantised quantised{};
  std::atomic<int>* counters = nullptr;
  Layout layout{nullptr};
  for (int pass = 0; pass < 2; pass++) {
    for (int b = 1; b < program->buffer_count; b++) buffers[b] = layout.take<float>(call->rows * program->widths[b] * (own[b] ? copies : 1));
    quantised = layout.quantised(call->rows * copies, widest);
    scratch = layout.take<float>(scratch_size * count);
    counters = layout.counters(static_cast<size_t>(last - first) * count);
    if (pass == 0 && !(layout = Layout{workspace.need(layout.used)}).base) return -1;
  }
  buffers[0] = call->x;
  if (call->out) buffers[program->buffer_count - 1] = call->out;
  Pool::run(count, [&](int id, int n, Pool::Barrier& barrier) {
    const int64_t begin = copies > 1 ? id * call->rows : 0;  // of this thread's rows in what each has for itself
    Worker worker{*program, *call, {}, quantised, scratch + id * scratch_size};
    const int64_t group = begin * (widest / FINE_GROUP);
    worker.q.codes += begin * widest, worker.q.scales += group, worker.q.sums += group, worker.q.begins += group;
    for (int b = 0; b < program->buffer_count; b++) worker.buffers[b] = buffers[b] + (own[b] ? begin * program->widths[b] : 0);
    worker.run(first, last, counters, id, n, barrier);
  });
  return 0;
}
