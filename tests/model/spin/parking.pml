/* The idle protocol: who searches, who sleeps, who wakes whom; what an owner's private part needs besides.
 *
 * Sources: scheduler/worker/{idle.md,idle.hpp,parker.hpp,sleep.cpp,search.cpp,crew.cpp,worker_thread.cpp}.
 *
 * WORKERS workers search from the start. SUBMISSIONS roots come from outside; with OWNER, worker 0 runs a root
 * from the start. A root forks FORKS frames into the private part of its worker's deque and then runs a leaf. A
 * leaf or a frame may be long: it ends only when every frame of every root has begun. At most WORKERS - 1 are
 * long at a time, so one worker is always free for what is left: if it sleeps, work is left while it sleeps.
 *
 * Memory: sequentially consistent, but for the one place where the protocol relies on less. What an owner has
 * pushed lies in its store buffer (`buffered`) while it reads its attention word, unless somebody issues a
 * barrier on every thread.
 *
 * Left out: limit, tail and slots, which are the deque's own model's; waiting workers, which leap. A private
 * pop and the reading of head by an exposer are one step each. Spinning is one look; with ASKS searchers also say
 * `hungry`, and expose before they sleep. With REST a worker that was woken for nothing rests (sleep.cpp), which
 * ends at any time.
 *
 * Where source and model differ, the model is right: a sleep that is being ended has a state of its own (mutant 10),
 * and a sleeper waits for a victim's lock (mutant 11).
 *
 * Property: when nothing moves any more, every frame has begun and all workers sleep, counted as such. Under
 * weak fairness every frame begins (LIVENESS).
 *
 * MUTANT  1  the sleeper does not look again for shared frames and injected roots
 *         2  the sleeper looks first and announces itself afterwards
 *         3  the sleeper issues no barrier before it looks at private parts
 *         4  the sleeper does not say `starving`
 *         5  the last searcher that finds work wakes nobody
 *         6  the owner shares first and clears its attention word afterwards
 *         7  the submitter looks for sleepers first and commits afterwards
 *         8  a sleeper that stays awake stores `asleep` instead of exchanging it
 *         9  a wake that comes before the sleep is not kept
 *        10  the waker ends the sleep first and counts that afterwards
 *        11  a sleeper that finds a victim's lock taken goes on instead of waiting for it
 *        12  the last searcher that finds work, and sees no more, does not share at its first fork
 *        13  the last searcher looks for more before it is no searcher any more
 *        14  it wakes nobody at once, though others work
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef SUBMISSIONS
#define SUBMISSIONS 0
#endif
#ifndef FORKS
#define FORKS 2
#endif
#ifdef OWNER
#define ROOTS (SUBMISSIONS + 1)
#else
#define ROOTS SUBMISSIONS
#endif
/* A root counts as a frame. */
#define TOTAL (ROOTS * (FORKS + 1))

#define hungry 1
#define starving 4

#define idle 0
#define parked 1
#define woken 2

#define no 0
#define yes 1
#define being_woken 2

#define nothing 0
#define root 1
#define frame 2

short counts; /* idle_counts::word_: sleepers above, searchers below; as there, one below nothing borrows */
byte asleep[WORKERS]; /* no, yes, or being woken: counted as a searcher first, awake then */
byte parker[WORKERS];
byte attention[WORKERS];
byte injected;
byte shared[WORKERS], private[WORKERS];
bool buffered[WORKERS];
bool locked[WORKERS];
byte started;  /* frames that have begun */
byte standing; /* long ones that run now */
bool over;

#define one_sleeper 16
#define searchers (counts & 15)
#define sleepers (counts >> 4)
#define begin_search() counts++
#define announce_sleep() counts = counts + one_sleeper - 1
#define leave_sleep() counts = counts - one_sleeper + 1

#define victim ((me + 1 + k) % WORKERS)

inline write_out(who) {
  private[who] = private[who] + buffered[who];
  buffered[who] = false
}

inline barrier_on_every_thread() {
  write_out(0);
  write_out(1);
#if WORKERS > 2
  write_out(2)
#endif
}

/* crew::wake_one and rouse. An outside thread has victims = WORKERS: it goes over all of them. */
inline wake_one(victims) {
  if
  :: atomic { sleepers != 0 && searchers == 0 -> k = 0 }
     do
     :: atomic { k < victims && asleep[victim] == yes -> asleep[victim] = (MUTANT == 10 -> no : being_woken) }
        leave_sleep();
        atomic {
          asleep[victim] = (MUTANT == 10 -> asleep[victim] : no);
        }
        atomic {
          if
          :: MUTANT == 9 && parker[victim] != parked
          :: else -> parker[victim] = woken
          fi;
          k = 0
        }
        break
     :: atomic { k < victims && asleep[victim] != yes -> k++ }
     :: atomic { k == victims -> k = 0; break }
     od
  :: else
  fi
}

/* worker_thread::expose. `waits`: whether a taken lock is waited for. Sets `got` to what became visible. */
inline expose(waits) {
  if
  :: atomic { private[victim] != 0 && !locked[victim] -> locked[victim] = true; got = private[victim] }
     atomic {
       barrier_on_every_thread();
       got = (got - got / 2 < private[victim] -> got - got / 2 : private[victim]);
       private[victim] = private[victim] - got;
       shared[victim] = shared[victim] + got
     }
     locked[victim] = false
  :: atomic { private[victim] == 0 -> got = 0 }
  :: atomic { !(waits) && private[victim] != 0 && locked[victim] -> got = 0 }
  fi
}

inline wake_for_more_than_one() {
  if
  :: got > 1 -> wake_one(WORKERS - 1)
  :: else
  fi
}

/* worker_thread::share_and_wake. */
inline share_and_wake() {
  atomic { !locked[me] -> locked[me] = true }
  atomic {
    got = private[me] - private[me] / 2;
    private[me] = private[me] - got;
    shared[me] = shared[me] + got;
    got = 0
  }
  locked[me] = false;
  wake_one(WORKERS - 1)
}

/* A push, then the owner's look at its attention word. */
inline fork_one() {
  buffered[me] = true;
  if
  :: atomic { attention[me] == 0 -> skip }
     atomic { write_out(me) }
  :: atomic {
       attention[me] != 0 -> write_out(me); got = attention[me];
#if MUTANT != 6
       attention[me] = 0
#endif
     }
     got = 0;
     share_and_wake();
#if MUTANT == 6
     attention[me] = 0
#endif
  fi
}

inline run_leaf() {
  if
  :: atomic { standing < WORKERS - 1 -> standing++ }
     atomic { started == TOTAL -> standing-- }
  :: skip
  fi
}

/* basic_split_deque::pop; `has` is frame if it got one. Of the shared part it takes half back. */
inline pop() {
  if
  :: atomic { private[me] != 0 -> private[me]--; has = frame }
  :: atomic { private[me] == 0 && shared[me] == 0 -> has = nothing }
  :: atomic { private[me] == 0 && shared[me] != 0 && !locked[me] -> locked[me] = true }
     atomic {
       if
       :: shared[me] == 0 -> has = nothing
       :: else ->
          has = frame;
          private[me] = shared[me] - shared[me] / 2 - 1;
          shared[me] = shared[me] / 2
       fi
     }
     locked[me] = false
  fi
}

/* worker_thread::look_around. It asks, unless it has asked a moment ago. */
inline look_around() {
  do
  :: atomic { k < WORKERS - 1 && shared[victim] != 0 -> shared[victim]--; has = frame; k = 0; break }
#ifdef ASKS
  :: atomic { k < WORKERS - 1 && shared[victim] == 0 && private[victim] != 0 ->
       attention[victim] = attention[victim] | hungry; k++ }
#endif
  :: atomic { k < WORKERS - 1 && shared[victim] == 0 -> k++ }
  :: atomic { k == WORKERS - 1 && injected != 0 -> injected--; has = root; k = 0; break }
  :: atomic { k == WORKERS - 1 && injected == 0 -> k = 0; break }
  od
}

/* worker_thread::anything_visible. */
inline look_again() {
  stay = (injected != 0);
  do
  :: atomic { !stay && k < WORKERS - 1 -> stay = (shared[victim] != 0); k++ }
  :: atomic { stay || k == WORKERS - 1 -> k = 0; break }
  od
}

/* worker_thread::sleep. On return this worker is a searcher again. */
inline sleep() {
#if MUTANT == 2
  look_again();
#endif
  asleep[me] = yes;
  announce_sleep();
  atomic {
    asks = (sleepers < WORKERS);
#ifdef REST
    if
    :: asks && tired -> asks = false; rest = true
    :: else
    fi
#endif
  }
  if
  :: asks ->
#if MUTANT != 4
     do
     :: atomic { k < WORKERS - 1 && asleep[victim] == no -> attention[victim] = attention[victim] | starving; k++ }
     :: atomic { k < WORKERS - 1 && asleep[victim] != no -> k++ }
     :: atomic { k == WORKERS - 1 -> k = 0; break }
     od;
#endif
#if MUTANT != 3
     atomic { barrier_on_every_thread() }
#endif
  :: else
  fi;
#if MUTANT != 1 && MUTANT != 2
  look_again();
#endif
#ifdef REST
  if
  :: atomic { rest && injected == 0 -> stay = false } /* what it finds is next to nothing */
  :: skip
  fi;
#endif
  if
  :: !stay && asks ->
     do
     :: k < WORKERS - 1 ->
        expose(MUTANT != 11);
        if
        :: got != 0 ->
           wake_for_more_than_one();
           atomic { stay = true; got = 0; k = 0; break }
        :: else -> k++
        fi
     :: atomic { k == WORKERS - 1 -> k = 0; break }
     od
  :: else
  fi;
  asks = false;
  if
#if MUTANT == 8
  :: atomic { stay -> asleep[me] = no } /* whoever exchanged it meanwhile has counted too */
     atomic { leave_sleep(); stay = false; rest = false }
#else
  :: atomic { stay && asleep[me] == yes -> asleep[me] = no }
     atomic { leave_sleep(); stay = false; rest = false }
#endif
  :: else ->
     do
     :: atomic { asleep[me] == no -> stay = false; rest = false; tired = true; break }
     :: asleep[me] != no ->
        if
        :: atomic { parker[me] == idle -> parker[me] = parked }
        :: parker[me] == woken
        fi;
        if
        :: atomic { parker[me] == woken -> parker[me] = idle }
#ifdef REST
        :: atomic { rest && parker[me] == parked -> parker[me] = idle } /* the rest is over */
           if
           :: atomic { asleep[me] == yes -> asleep[me] = no }
              atomic { leave_sleep(); rest = false; tired = false; break }
           :: asleep[me] != yes
           fi
#endif
        :: atomic { over -> goto left }
        fi
     od
  fi
}

/* worker_thread::pass_on_the_search. */
inline pass_on_the_search() {
#if MUTANT != 5
#if MUTANT != 13
  look_again();
#endif
  if
  :: atomic { !stay && (MUTANT == 14 || sleepers == WORKERS - 1) ->
#if MUTANT != 12
       attention[me] = attention[me] | starving
#endif
     }
  :: else ->
     stay = false;
     wake_one(WORKERS - 1)
  fi
#else
  skip
#endif
}

active [WORKERS] proctype worker() {
  byte me = _pid;
  byte k, got, has, forked;
  bool stay, asks, rest, tired;
#ifdef OWNER
  if
  :: me == 0 -> goto run_root
  :: else
  fi;
#endif
next:
  begin_search();
look:
  look_around();
  if
  :: has == nothing ->
#ifdef ASKS
     if
     :: skip
     :: expose(false); /* it has spun for a while, and its first victim has not answered */
        wake_for_more_than_one();
        if
        :: atomic { got != 0 -> got = 0; goto look }
        :: else
        fi
     fi;
#endif
     sleep();
     goto look
  :: else
  fi;
#if MUTANT == 13
  look_again();
#endif
  atomic { got = (searchers == 1); counts--; tired = false }
  if
  :: atomic { got == 1 -> got = 0 }
     pass_on_the_search()
  :: else
  fi;
  if
  :: has == root -> has = nothing; goto run_root
  :: else -> goto run_frame
  fi;
run_root:
  started++;
  do
  :: forked < FORKS -> forked++; fork_one()
  :: atomic { forked == FORKS -> forked = 0; break }
  od;
  run_leaf();
  goto pop_next;
run_frame:
  atomic { started++; has = nothing }
  run_leaf();
pop_next:
  pop();
  if
  :: has == frame -> goto run_frame
  :: else -> goto next
  fi;
left:
  skip
}

#if SUBMISSIONS > 0
/* An outside thread: scheduler_core::launch. */
active [SUBMISSIONS] proctype submitter() {
  byte me = WORKERS - 1;
  byte k;
#if MUTANT == 7
  wake_one(WORKERS);
  injected++
#else
  injected++;
  wake_one(WORKERS)
#endif
}
#endif

/* When nothing moves any more. */
active proctype judge() {
  atomic {
    timeout ->
    assert(started == TOTAL && injected == 0);
    assert(searchers == 0 && sleepers == WORKERS);
    over = true
  }
}

#ifdef LIVENESS
ltl every_frame_begins { <> (started == TOTAL) }
#endif
