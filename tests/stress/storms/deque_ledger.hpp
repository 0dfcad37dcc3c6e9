// The shipped deque under an owner and thieves that do everything it offers at random, with a ledger of its
// frames.
//
// The ledger is cheap, so that the deque and not the ledger is what is measured. Each frame counts how often
// it was pushed, how often its owner took it (both plain), and how often thieves did. The owner pushes a
// frame again only when these agree; at the end they agree for all. The frame's stamp, plain as well, is
// written before each push and read by whoever takes the frame: the thread sanitizer judges the deque's
// orders by it, and the sums of stamps must agree.
#pragma once

#include <array>
#include <atomic>
#include <coppice/detail/deque.hpp>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "platform/membarrier.hpp"

namespace storms {

struct ledger_broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ledger_counts {
  std::uint64_t operations = 0;  // of the owner, and steals that took something
  std::uint64_t frames = 0;      // pushed
  std::uint64_t stolen = 0;
  std::uint64_t exposed = 0;
};

template <class Deque>
class deque_ledger {
 public:
  deque_ledger(std::uint64_t seed, unsigned thieves)
      : seed_(seed | 1), entries_(entries_of_it), tallies_(thieves) {
    for (entry& e : entries_) free_.push_back(&e);
  }

  /// Throws ledger_broken. `progress` is called now and then.
  template <class Progress>
  ledger_counts run(std::uint64_t operations, const Progress& progress) {
    std::vector<std::thread> team;
    for (tally& mine : tallies_)
      team.emplace_back([this, &mine, n = team.size()] { steal_until_over(mine, seed_ * (2 * n + 3)); });
    std::string wrong;
    try {
      own(operations, progress);
    } catch (const ledger_broken& e) {
      wrong = e.what();
    }
    over_.store(true);
    for (std::thread& t : team) t.join();
    if (!wrong.empty()) throw ledger_broken(wrong);
    return balance();
  }

 private:
  using frame = coppice::detail::frame;
  using deque_index = coppice::detail::deque_index;
  struct entry : frame {
    entry() : frame{nullptr, frame::fresh} {}
    std::uint64_t stamp = 0;
    std::uint32_t pushed = 0, owner_took = 0;
    bool out = false;  // pushed, and not seen taken
    std::atomic<std::uint32_t> stolen{0};
  };
  struct alignas(64) tally {
    std::uint64_t stolen = 0, exposed = 0, stamps = 0;
  };
  static constexpr std::size_t capacity = Deque::capacity;
  static constexpr std::size_t entries_of_it = 2 * capacity + 16;

  static std::uint64_t draw(std::uint64_t& state) noexcept {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  static void require(bool holds, const char* claim) {
    if (!holds) throw ledger_broken(claim);
  }

  // ---- owner

  // Frames that thieves have taken come back; a frame that was taken twice is found here at the latest.
  void collect() {
    for (entry& e : entries_) {
      if (!e.out) continue;
      const std::uint32_t taken = e.owner_took + e.stolen.load(std::memory_order_acquire);
      require(taken <= e.pushed, "a frame was taken more often than it was pushed");
      if (taken != e.pushed) continue;
      e.out = false;
      free_.push_back(&e);
    }
  }

  bool push(deque_index* index) {
    if (free_.empty()) collect();
    if (free_.empty()) return false;
    ++operations_;
    if (!deque_->has_room()) return false;
    ++operations_;
    entry& e = *free_.back();
    free_.pop_back();
    ++e.pushed;
    e.out = true;
    e.stamp = ++pushed_;
    stamps_ += e.stamp;
    shadow_[deque_->top() % capacity] = &e;
    require(deque_->push_below_bound(e, index), "a push succeeds where there was room");
    return true;
  }

  void took(frame* f, deque_index index) {
    auto* const e = static_cast<entry*>(f);
    require(e == shadow_[index % capacity], "the owner takes the newest frame");
    ++e->owner_took;
    ++owner_took_;
    stamps_ -= e->stamp;
    require(e->out && e->owner_took + e->stolen.load(std::memory_order_relaxed) <= e->pushed,
            "the owner takes a frame that nobody else has taken");
    e->out = false;
    free_.push_back(e);
  }

  bool pop() {
    ++operations_;
    const deque_index top = deque_->top();
    frame* const f = deque_->pop();
    if (f != nullptr) {
      took(f, top - 1);
      return true;
    }
    require(deque_->empty_for_owner(), "a deque that gives nothing is empty");
    return false;
  }

  void join_one() {
    deque_index index = 0;
    if (!push(&index)) return;
    frame* const mine = shadow_[index % capacity];
    if (draw(state_) % 4 == 0) nested();
    ++operations_;
    if (deque_->pop_if_private(index))
      took(mine, index);
    else
      pop();
  }

  // A branch with a fork of its own.
  void nested() {
    deque_index index = 0;
    if (!push(&index)) return;
    frame* const mine = shadow_[index % capacity];
    ++operations_;
    if (deque_->pop_if_private(index))
      took(mine, index);
    else
      pop();
  }

  // The owner does nothing until thieves have taken everything, by themselves if they can.
  void long_leaf() {
    if (!may_expose_) deque_->share_all();
    while (!deque_->empty_for_owner()) std::this_thread::yield();
  }

  template <class Progress>
  void own(std::uint64_t wanted, const Progress& progress) {
    std::uint64_t next_report = 0;
    std::uint64_t drift = 128;  // of 256: how many of the steps push
    while (operations_ < wanted) {
      if (operations_ >= next_report) {
        progress();
        next_report = operations_ + 100'000;
      }
      const std::uint64_t r = draw(state_);
      // Phases that grow, shrink and keep the size, so that full, empty and wrapped are all met.
      if (r % 4096 == 0) drift = 64 + (r >> 20) % 129;
      if (hungry_.load(std::memory_order_relaxed) != 0 && r % 64 < 8) {
        hungry_.store(0, std::memory_order_relaxed);
        if (r % 64 == 0)
          deque_->share_all();
        else
          deque_->share();
        ++operations_;
      }
      deque_index index = 0;
      const std::uint64_t step = r >> 8 & 255;
      if ((r & 3) == 0)
        join_one();
      else if (step < drift)
        push(&index);
      else if (!pop() && (r >> 40) % 16 == 0)
        deque_->begin_strand();
      // The last bits are not those that chose the step.
      if ((r >> 44) % 16384 == 0) long_leaf();
    }
    while (pop()) {
    }
    // What thieves have taken comes back, all of it.
    while (free_.size() != entries_.size()) {
      std::this_thread::yield();
      collect();
    }
    progress();
  }

  // ---- thieves

  void steal_until_over(tally& mine, std::uint64_t state) {
    unsigned fruitless = 0;
    while (!over_.load(std::memory_order_relaxed)) {
      const std::uint64_t r = draw(state);
      frame* const f = r % 4 == 0 ? deque_->steal_seen(deque_->look()) : deque_->steal();
      if (f != nullptr) {
        auto* const e = static_cast<entry*>(f);
        mine.stamps += e->stamp;
        ++mine.stolen;
        // The owner may push it again from here on.
        e->stolen.fetch_add(1, std::memory_order_release);
        fruitless = 0;
        continue;
      }
      ++fruitless;
      if (deque_->has_private()) hungry_.store(1, std::memory_order_relaxed);
      if (may_expose_ && fruitless % 64 == 63)
        mine.exposed += deque_->expose(&coppice::platform::barrier_on_every_thread);
      if (fruitless % 16 == 15) std::this_thread::yield();
    }
  }

  ledger_counts balance() {
    ledger_counts c;
    c.frames = pushed_;
    c.operations = operations_;
    for (const tally& t : tallies_) {
      c.stolen += t.stolen;
      c.exposed += t.exposed;
      stamps_ -= t.stamps;
    }
    c.operations += c.stolen;
    for (const entry& e : entries_) {
      require(e.owner_took + e.stolen.load() == e.pushed, "each frame was taken as often as it was pushed");
    }
    require(stamps_ == 0, "the sums of stamps agree");
    require(owner_took_ + c.stolen == c.frames, "owner and thieves together took all");
    require(deque_->size() == 0 && deque_->steal() == nullptr, "nothing is left");
    return c;
  }

  const bool may_expose_ = coppice::platform::has_barrier_on_every_thread();
  const std::uint64_t seed_;
  std::uint64_t state_ = seed_;
  std::unique_ptr<Deque> deque_ = std::make_unique<Deque>();
  std::vector<entry> entries_;
  std::vector<entry*> free_;
  std::array<entry*, capacity> shadow_{};
  std::uint64_t operations_ = 0, pushed_ = 0, owner_took_ = 0, stamps_ = 0;
  std::vector<tally> tallies_;
  alignas(64) std::atomic<unsigned> hungry_{0};
  alignas(64) std::atomic<bool> over_{false};
};

}  // namespace storms
