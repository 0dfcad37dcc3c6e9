/* The way down: SUBMITTERS submitters (with two, one meets a full queue); two stoppers, one drains until some
 * time, one cancels; WORKERS workers that leave.
 *
 * Sources: scheduler/lifecycle/{shutdown.md,door.hpp,shutdown.cpp,scheduler_core.cpp}, scheduler/stores/injection.cpp.
 *
 * What stands under the queue's lock is one step; the core's lock is a word, because words that are not under it are
 * read while it is held. Condition variables are modelled as they are: who waits has looked at
 * its condition, sleeps until it is notified, and looks again; a notification that is missing is a hang. A job
 * is a root that spawns one child into its worker's deque, or polls until it is cancelled. Of the idle protocol only announce and look are
 * here; parking.pml has the rest.
 *
 * Property: every process comes to its end: each submitter has its answer and, if it was accepted, a job whose
 * tasks have all ended; each stopper returns; each worker leaves, and leaves no frame behind; the threads are
 * joined once. Under weak fairness all of this happens (LIVENESS).
 *
 * MUTANT  1  submitters in the door are not counted
 *         2  the last one to leave a closed door notifies nobody
 *         3  the last job that ends notifies nobody
 *         4  a submitter that finds the queue closed does not leave the door
 *         5  a sleeper looks at `closing` before it announces itself
 *         6  `closing` is set after the sleepers are woken
 *         7  the door is left before the job is queued
 *         8  every stopper joins the threads
 *         9  a worker leaves as soon as it sees `closing`, and the first stop sets it
 *        10  a cancel does not wait for those in the door
 *        11  the last job's worker looks whether the door is closed before it takes the job from the list
 *        12  a closed door is left, and this told, without the lock
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#ifndef SUBMITTERS
#define SUBMITTERS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#define CAPACITY 1

mtype = { open, stopping, leaving, stopped };

/* scheduler_core::lock_, and what is under it. */
bool held;
mtype phase = open;
/* The door: one word. */
bool shut;
byte inside;
/* Under the injection queue's lock. */
bool closed;
byte admitted, live;
bool queued[2];
bool listed[2]; /* queued or taken */

bool cancelled[2]; /* job_core::stop_ */
byte tasks[2];     /* that have not ended */
bool done[2];
bool closing;
bool asleep[2];
bool has_child[2]; /* its deque holds one frame at most */
byte child_of[2];
bool left[2];
bool joined;

/* Who sleeps in scheduler_core::changed_, and in injection_queue::room_. */
bool waits[2];
bool wants_room[2];

inline notify_changed() {
  waits[0] = false;
  waits[1] = false
}

inline lock_core() { atomic { !held -> held = true } }
inline unlock_core() { held = false }

/* changed_.wait(hold, condition), of one word */
inline wait_until(condition) {
  do
  :: lock_core();
     if
     :: condition -> unlock_core(); break
     :: else -> atomic { waits[me] = true; held = false }
     fi;
     !waits[me]
  od
}

inline tell_stoppers() {
  lock_core();
  notify_changed();
  unlock_core()
}

inline wake_one() {
  if
  :: atomic { asleep[0] -> asleep[0] = false }
  :: atomic { !asleep[0] && asleep[1] -> asleep[1] = false }
  :: atomic { !asleep[0] && !asleep[1] -> skip }
  fi
}

inline leave_door() {
#if MUTANT != 1
  if
  :: atomic { !shut -> inside-- }
  :: shut ->
#if MUTANT == 12
     inside--;
     notify_changed()
#else
     lock_core();
     inside--;
#if MUTANT != 2
     notify_changed();
#endif
     unlock_core()
#endif
  fi
#else
  skip
#endif
}

proctype submitter(byte me) {
  bool found_shut;
  /* scheduler_core::admit */
  atomic {
#if MUTANT != 1
    inside++;
#endif
    found_shut = shut
  }
  if
  :: found_shut -> goto rejected
  :: else
  fi;
  do
  :: atomic { closed -> break }
  :: atomic { !closed && admitted < CAPACITY -> admitted++; goto reserved }
  :: atomic { !closed && admitted == CAPACITY -> wants_room[me] = true }
     !wants_room[me]
  od;
#if MUTANT == 4
  goto refused;
#endif
rejected:
  leave_door();
  goto refused;
reserved:
  /* scheduler_core::launch */
  tasks[me] = 1;
#if MUTANT == 7
  leave_door();
#endif
  atomic { /* injection_queue::commit */
    queued[me] = true;
    listed[me] = true;
    live++
  }
  wake_one();
#if MUTANT != 7
  leave_door();
#endif
  done[me]; /* job::wait */
  assert(tasks[me] == 0);
refused:
  skip
}

inline end_task(job) {
  atomic {
    tasks[job]--;
    last = (tasks[job] == 0)
  }
  if
  :: last ->
     done[job] = true;
     /* scheduler_core::job_ended */
#if MUTANT == 11
     sees_shut = shut;
#endif
     atomic { /* injection_queue::ended */
       assert(listed[job]);
       listed[job] = false;
       live--;
       last = (live == 0)
     }
#if MUTANT != 11
     sees_shut = shut;
#endif
     if
     :: last && sees_shut && MUTANT != 3 -> tell_stoppers()
     :: else
     fi;
     last = false
  :: else
  fi
}

inline take_root(job) {
  atomic {
    queued[job] -> queued[job] = false;
    admitted--;
    if /* room_.notify_one */
    :: wants_room[0] -> wants_room[0] = false
    :: !wants_room[0] && wants_room[1] -> wants_room[1] = false
    :: else
    fi;
    mine = job
  }
}

proctype worker(byte me) {
  byte mine;
  bool last, sees_shut;
search:
  if
  :: atomic { has_child[me] -> has_child[me] = false; mine = child_of[me] } goto run_child
  :: atomic { !has_child[me] && has_child[1 - me] -> has_child[1 - me] = false; mine = child_of[1 - me] }
     goto run_child
  :: !has_child[me] && !has_child[1 - me] ->
     if
     :: take_root(0) -> goto run_root
     :: take_root(1) -> goto run_root
     :: !queued[0] && !queued[1]
     fi
  fi;
  if
  :: closing -> goto leave
  :: else
  fi;
#if MUTANT == 5
  asleep[me] = true;
  if
  :: queued[0] || queued[1] || has_child[1 - me] -> asleep[me] = false
  :: else -> !asleep[me]
  fi;
#else
  asleep[me] = true;
  if
  :: queued[0] || queued[1] || has_child[1 - me] || closing -> asleep[me] = false
  :: else -> !asleep[me]
  fi;
#endif
  goto search;
run_root:
  if
  :: true -> cancelled[mine] /* skipped, or a body that polls until it is stopped */
  :: !cancelled[mine] ->
     atomic { tasks[mine]++; has_child[me] = true; child_of[me] = mine }
     wake_one()
  fi;
run_child:
  end_task(mine);
#if MUTANT == 9
  if
  :: closing -> goto leave
  :: else
  fi;
#endif
  goto search;
leave:
  atomic {
    assert(!has_child[me] && !queued[0] && !queued[1]);
    left[me] = true
  }
}

inline join_workers() {
#if MUTANT != 6
  closing = true;
#endif
  asleep[0] = false;
  asleep[1] = false;
#if MUTANT == 6
  closing = true;
#endif
  left[0] && (left[1] || WORKERS == 1);
  atomic { assert(!joined); joined = true }
}

/* Takes the lock, and keeps it: two words that change without it. */
inline look_for_quiet() {
  lock_core();
  quiet = (inside == 0);
  if
  :: quiet -> quiet = (live == 0)
  :: else
  fi
}

proctype stopper(byte me) {
  bool cancels = (me == 1), quiet;
  if
  :: atomic { !held && phase == open -> phase = stopping; shut = true }
#if MUTANT == 9
     closing = true;
#endif
     atomic { /* injection_queue::close */
       closed = true;
       wants_room[0] = false;
       wants_room[1] = false
     }
  :: phase != open
  fi;
  if
  :: !cancels -> /* stop_until: its time may come at any moment, or never */
     do
     :: look_for_quiet();
        if
        :: quiet -> unlock_core(); break
        :: else -> atomic { waits[me] = true; held = false }
        fi;
        if
        :: !waits[me]
        :: atomic { waits[me] -> waits[me] = false; cancels = true; break }
        fi
     od
  :: else
  fi;
  if
  :: cancels ->
#if MUTANT != 10
     wait_until(inside == 0);
#endif
     if
     :: listed[0] -> cancelled[0] = true
     :: else
     fi;
     if
     :: listed[1] -> cancelled[1] = true
     :: else
     fi
  :: else
  fi;
  do
  :: look_for_quiet();
     if
     :: quiet -> unlock_core(); break
     :: else -> atomic { waits[me] = true; held = false }
     fi;
     !waits[me]
  od;
  if
  :: atomic { !held && (phase == stopping || MUTANT == 8) -> phase = leaving }
     join_workers();
     atomic { !held -> phase = stopped; notify_changed() }
  :: phase != stopping && MUTANT != 8
  fi;
  wait_until(phase == stopped);
  /* Whoever comes now is turned away. */
  assert(live == 0)
}

init {
  atomic {
    run worker(0);
#if WORKERS > 1
    run worker(1);
#endif
    run submitter(0);
#if SUBMITTERS > 1
    run submitter(1);
#endif
    run stopper(0);
    run stopper(1)
  }
}

#ifdef LIVENESS
ltl everybody_leaves { <> (joined && phase == stopped) }
#endif
