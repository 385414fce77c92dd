// Threads that do one job together, with a barrier that spins: the parts of a decoding step are shorter than waking a
// thread takes. They are those of torch's own OpenMP library where it has one, because after each of torch's operations
// these spin too, and would take the processor from others; else a pool of ours, which sleeps after a while.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

class Pool {
 public:
  class Barrier {
   public:
    void wait(int count) {
      if (count == 1) return;
      const unsigned turn = turn_.load(std::memory_order_relaxed);
      if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
        arrived_.store(0, std::memory_order_relaxed);
        turn_.store(turn + 1, std::memory_order_release);
        return;
      }
      for (int spins = 0; turn_.load(std::memory_order_acquire) == turn; spins++) pause(spins);
    }

   private:
    std::atomic<int> arrived_{0};
    std::atomic<unsigned> turn_{0};
  };

  // OpenMP's entry points, as gcc calls them. The team may turn out smaller than was asked for.
  struct Team {
    void (*parallel)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
    int (*id)() = nullptr;
    int (*count)() = nullptr;
  };
  static Team& team() {
    static Team found;
    return found;
  }

  // job(id, count, barrier) on so many threads, this one among them; on this one alone if the pool is busy.
  template <class Job> static void run(int threads, const Job& job) {
    if (threads > 1 && team().parallel) {
      struct Data {
        const Job& job;
        Barrier barrier;
      } data{job, {}};
      auto part = [](void* d) {
        const int count = team().count();
        static_cast<Data*>(d)->job(team().id(), count, static_cast<Data*>(d)->barrier);
      };
      team().parallel(part, &data, threads, 0);
      return;
    }
    std::unique_lock<std::mutex> busy(lock(), std::try_to_lock);
    if (threads < 2 || !busy.owns_lock()) {
      Barrier alone;
      job(0, 1, alone);
      return;
    }
    of(threads).work(job);
  }

 private:
  explicit Pool(int threads) : threads_(threads), process_(getpid()) {
    for (int id = 1; id < threads; id++) std::thread([this, id] { serve(id); }).detach();
  }

  // The pool of so many threads. Pools stay for good: a process uses one or two sizes. After a fork the threads are
  // gone, and a new pool takes the place of the old one.
  static Pool& of(int threads) {
    static auto& pools = *new std::vector<std::unique_ptr<Pool>>;  // never destroyed: its threads sleep in it at exit
    for (auto& pool : pools)
      if (pool->threads_ == threads) {
        if (pool->process_ != getpid()) {
          pool.release();  // its mutex may be held by a thread that is gone
          pool.reset(new Pool(threads));
        }
        return *pool;
      }
    pools.emplace_back(new Pool(threads));
    return *pools.back();
  }

  static std::mutex& lock() {
    static auto& mutex = *new std::mutex;
    return mutex;
  }

  static void pause(int spins) {
#if defined(__x86_64__)
    _mm_pause();
#endif
    if (spins % 4096 == 4095) std::this_thread::yield();  // the other thread may need this very core
  }

  template <class Job> void work(const Job& job) {
    call_ = [](const void* j, int id, int n, Barrier& b) { (*static_cast<const Job*>(j))(id, n, b); };
    job_ = &job;
    pending_.store(threads_ - 1, std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> guard(mutex_);
      turn_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load(std::memory_order_acquire)) wake_.notify_all();
    job(0, threads_, barrier_);
    for (int spins = 0; pending_.load(std::memory_order_acquire); spins++) pause(spins);
  }

  void serve(int id) {
    unsigned seen = 0;
    for (;;) {
      for (int spins = 0; turn_.load(std::memory_order_acquire) == seen; spins++) {
        if (spins < SPINS) {
          pause(spins);
          continue;
        }
        std::unique_lock<std::mutex> guard(mutex_);
        sleeping_.fetch_add(1, std::memory_order_acq_rel);
        wake_.wait(guard, [&] { return turn_.load(std::memory_order_acquire) != seen; });
        sleeping_.fetch_sub(1, std::memory_order_acq_rel);
      }
      seen++;
      call_(job_, id, threads_, barrier_);
      pending_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  static constexpr int SPINS = 20000;  // some hundred microseconds: the time between two steps of generate()
  const int threads_;
  Barrier barrier_;
  const pid_t process_;
  void (*call_)(const void*, int, int, Barrier&) = nullptr;
  const void* job_ = nullptr;
  std::atomic<unsigned> turn_{0};
  std::atomic<int> pending_{0}, sleeping_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};
