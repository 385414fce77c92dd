// The functions of the library: which kernels this processor runs, a linear layer, and a program of operations that all
// threads go through together.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>
#include "worker.h"

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

}  // namespace

const Kernels& kernels() {
  const Kernels* found = chosen.load(std::memory_order_acquire);
  if (!found) chosen.store(found = find(nullptr), std::memory_order_release);
  return *found;
}

namespace {

std::atomic<int> thread_count{0};

int threads(int wanted) {
  if (wanted > 0) return wanted;
  const int set = thread_count.load();
  return set > 0 ? set : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

API int qkv_abi(void) { return 5; }
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

// Run a program on the rows of a call. Returns 0, or -1 if there is not enough memory. That tokens and positions are in
// their tables, the caller sees to.
API int qkv_run(const Program* program, const Call* call) {
  static thread_local Workspace workspace;
  const int count = threads(call->threads);
  int64_t widest = 64, head = 1, keys = 1;
  int layers = 0;
  bool own[BUFFERS] = {};
  for (int i = 0; i < program->op_count; i++) {
    const Op& op = program->ops[i];
    own[op.dst] |= op.own && op.kind != OP_QUANTISE;
    if (op.kind == OP_QUANTISE) widest = std::max(widest, padded(op.width));
    if (op.kind == OP_ATTEND) head = std::max<int64_t>(head, op.width), layers = std::max(layers, op.layer + 1);
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
    counters = layout.counters(static_cast<size_t>(program->op_count) * count);
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
    worker.run(counters, id, n, barrier);
  });
  return 0;
}

namespace {

struct Part {
  const Parameter* parameter;
  int64_t first, last;  // rows
};

std::vector<Part> parts(const Parameter* parameters, int64_t count) {
  constexpr int64_t NUMBERS = 1 << 15;  // of a part
  std::vector<Part> found;
  for (const Parameter* p = parameters; p < parameters + count; p++) {
    const int64_t rows = std::max<int64_t>(1, NUMBERS / std::max<int64_t>(1, p->width));
    for (int64_t r = 0; r < p->rows; r += rows) found.push_back({p, r, std::min(r + rows, p->rows)});
  }
  return found;
}

template <class F> void each(const std::vector<Part>& parts, const F& f) {
  std::atomic<size_t> next{0};
  Pool::run(threads(0), [&](int, int, Pool::Barrier&) {
    for (size_t n; (n = next.fetch_add(1, std::memory_order_relaxed)) < parts.size();) f(n, parts[n]);
  });
}

}  // namespace

// y (rows,n) = x (rows,k) w (k,n): what gradients of a linear layer are.
API void qkv_product(const float* x, const float* w, float* y, int64_t rows, int k, int n) {
  const int team = threads(0), chunk = chunk_of(n, team, rows);
  std::vector<std::atomic<int>> next(team);
  Pool::run(team, [&](int id, int count, Pool::Barrier&) {
    Deal{next.data(), id, count, false}((n + chunk - 1) / chunk, [&](int i) {
      kernels().product(x, w, y, rows, k, n, i * chunk, std::min(n, (i + 1) * chunk));
    });
  });
}

// The sum of the squares of all gradients; rows that have one become live.
API double qkv_squares(const Parameter* parameters, int64_t count) {
  const std::vector<Part> all = parts(parameters, count);
  std::vector<double> sums(all.size());
  each(all, [&](size_t n, const Part& part) { sums[n] = kernels().squares(part.parameter, part.first, part.last); });
  return std::accumulate(sums.begin(), sums.end(), 0.0);  // in their order: the same on any number of threads
}

// A step of AdamW, with all gradients times `factor`.
API void qkv_adamw(const Parameter* parameters, int64_t count, float factor) {
  each(parts(parameters, count), [&](size_t, const Part& part) { kernels().adamw(part.parameter, part.first, part.last, factor); });
}

// y = x / (1 - p) where a draw by `key` is below `limit` / 2^32, else 0.
API void qkv_dropout(const float* x, float* y, int64_t n, uint64_t key, uint32_t limit, float scale) {
  const int64_t blocks = (n + DROPPED - 1) / DROPPED;
  auto some = [&](int64_t first, int64_t last) { kernels().dropout(x, y, first * DROPPED, std::min(n, last * DROPPED), key, limit, scale); };
  if (blocks < 2) return some(0, blocks);
  Pool::run(threads(0), [&](int id, int count, Pool::Barrier&) { some(blocks * id / count, blocks * (id + 1) / count); });
}
