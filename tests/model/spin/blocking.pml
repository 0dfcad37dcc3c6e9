/* Standing still: a worker that blocks lends its core to a spare worker, and gets one again when it returns.
 *
 * This is the design, not yet the implementation: the implementation will follow this model.
 *
 * A core is held by the workers that run on it: none (the core is free), one, or more when somebody has come
 * back. All workers are alike; WORKERS = CORES + SPARES of them exist. `team` is one lock: it guards who holds
 * which core, who is parked, and how many stand still. Work is made visible without it.
 *
 *   blocking  makes all its private frames visible. If fewer than SPARES stand still, it counts as standing,
 *             lends its core, and matches; else it keeps its core and blocks with it.
 *   return    stands no longer and goes on at once on its old core, which then has one worker too many if a
 *             spare runs there. If somebody had to keep his core, lends that one's, and matches.
 *   look for  first parks if its core has one too many (it retires). Finds a frame, or parks.
 *   work
 *   park      under the lock: lets go of the core; leaves if the scheduler has closed, else counts as parked and
 *             matches.
 *   match     under the lock: if there is work, a free core and a parked worker, the worker gets the core.
 *
 * Whoever makes one of the three available (work, a core, a worker) looks at the other two afterwards: so none
 * of the three waits for the others unseen. As many workers may stand still as there are spares, so for each
 * core there is a worker that does not stand still.
 *
 * Frames come from outside, one after the other. Each runs, or blocks for some time, or blocks until every frame
 * has begun; the first one to begin forks a private child before.
 *
 * Property: every frame begins and ends; every worker leaves after the scheduler has closed, and leaves no work;
 * more than CORES workers run only after somebody came back to a core in use, and until one of the two looks for
 * work; nobody ever runs without a core; at the end all cores are free. Under weak fairness all of this happens (LIVENESS).
 *
 * MUTANT  1  blocking looks for work first and lets go of its core afterwards
 *         2  blocking keeps its private frames to itself
 *         3  nobody looks for a match when he parks
 *         4  a worker that retires does not match: two on one core may both retire
 *         5  nobody retires
 *         6  the bound of spares is looked at without the lock
 *         7  the one who comes back to a core in use is not counted there
 *         8  whoever submits looks for a match first and submits afterwards
 *         9  who parks does not look whether the scheduler has closed meanwhile
 *        10  the match takes a core that is in use
 *        11  who comes back does not lend the core of one that had to keep his
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef CORES
#define CORES 2
#endif
#ifndef SPARES
#define SPARES 1
#endif
#ifndef SUBMITTED
#define SUBMITTED 2
#endif
#define WORKERS (CORES + SPARES)
#define TOTAL (SUBMITTED + 1)
#define no_core 9

byte holders[CORES]; /* workers that run on a core */
bool parked[WORKERS];
byte core[WORKERS]; /* which a worker has been given */
bool keeps[WORKERS]; /* stands still on its core */
byte standing;
byte surplus; /* workers that came back to a core in use, and nobody has retired for them */
byte returns; /* how many have come back */

byte work;    /* visible frames */
byte started, ended;
byte waiting; /* frames that block until every frame has begun */
bool forked;  /* the one child */
bool closing;

inline check_cores() {
  assert(holders[0] + (CORES > 1 -> holders[CORES - 1] : 0) <= CORES + surplus)
}

/* Under the lock; one step. */
inline match() {
  atomic {
    if
    :: work != 0 ->
       c = 0;
       do
       :: c < CORES && holders[c] != 0 && MUTANT != 10 -> c++
       :: else -> break
       od;
       t = 0;
       do
       :: t < WORKERS && !parked[t] -> t++
       :: else -> break
       od;
       if
       :: c < CORES && t < WORKERS ->
          holders[c]++;
          core[t] = c;
          parked[t] = false;
          check_cores()
       :: else
       fi
    :: else
    fi;
    c = 0;
    t = 0
  }
}

/* Under the lock, within a step. */
inline let_go() {
  assert(holders[core[me]] != 0);
  holders[core[me]]--;
  if
  :: holders[core[me]] != 0 && surplus != 0 -> surplus--
  :: else
  fi;
  core[me] = no_core
}

inline stand_still() {
  if
  :: true /* for some time */
  :: atomic { waiting < WORKERS - 1 -> waiting++ }
     atomic { started == TOTAL -> waiting-- }
  fi
}

/* Under the lock, within a step: worker w lends its core, which it names until it returns. */
inline lend(w) {
  standing++;
  assert(standing <= SPARES && holders[core[w]] != 0);
  holders[core[w]]--;
  if
  :: holders[core[w]] != 0 && surplus != 0 -> surplus--
  :: else
  fi
}

inline blocking() {
#if MUTANT != 2
  atomic { work = work + private; private = 0 }
#endif
  if
#if MUTANT == 6
  :: standing < SPARES ->
     atomic { lend(me) }
#elif MUTANT == 1
  :: standing < SPARES ->
     match();
     atomic {
       if
       :: standing < SPARES -> lend(me)
       :: else -> keeps[me] = true
       fi
     }
#else
  :: atomic { standing < SPARES -> lend(me) }
     match()
#endif
  :: atomic { standing == SPARES -> keeps[me] = true }
     match()
  fi;
  stand_still();
  atomic {
    if
    :: keeps[me] -> keeps[me] = false
    :: else ->
       standing--;
       if
       :: holders[core[me]] == 0 -> holders[core[me]]++
       :: else ->
#if MUTANT != 7
          holders[core[me]]++;
#endif
          surplus++;
          returns++
       fi;
       check_cores();
#if MUTANT != 11
       t = 0;
       do
       :: t < WORKERS && !keeps[t] -> t++
       :: else -> break
       od;
       if
       :: t < WORKERS -> keeps[t] = false; lend(t)
       :: else
       fi;
       t = 0
#endif
    fi
  }
  match()
}

proctype worker(byte me) {
  byte c, t, private, seen;
  bool retires;
pool:
  if
  :: atomic { !parked[me] && core[me] != no_core -> skip }
  :: atomic { !parked[me] && core[me] == no_core -> goto left }
  fi;
look:
  if
  :: holders[core[me]] > 1 && MUTANT != 5 -> retires = true; goto park
  :: atomic { holders[core[me]] <= 1 || MUTANT == 5 -> seen = returns }
  fi;
  if
  :: atomic { private != 0 -> private-- }
  :: atomic { private == 0 && work != 0 -> work--; assert(holders[core[me]] == 1 || returns != seen) }
  :: private == 0 && work == 0 ->
park:
     atomic {
       let_go();
       check_cores();
       if
       :: closing && MUTANT != 9 -> goto left
       :: else -> parked[me] = true
       fi
     }
     if
     :: MUTANT == 3 || (MUTANT == 4 && retires)
     :: else -> match()
     fi;
     retires = false;
     goto pool
  fi;
  atomic {
    assert(core[me] != no_core && holders[core[me]] != 0);
    started++;
    if
    :: !forked -> forked = true; private++
    :: else
    fi
  }
  if
  :: true
  :: blocking()
  fi;
  ended++;
  goto look;
left:
  assert(work == 0 && private == 0)
}

proctype submitter() {
  byte c, t, n;
  do
  :: n < SUBMITTED ->
#if MUTANT == 8
     match();
     work++;
#else
     work++;
     match();
#endif
     n++
  :: else -> break
  od;
  /* The stop: it may have been asked for at any time, and waits until the last frame has ended. */
  ended == TOTAL;
  atomic { /* closing, under the lock: who is parked leaves */
    closing = true;
    n = 0;
    do
    :: n < WORKERS -> parked[n] = false; n++
    :: else -> break
    od
  }
}

init {
  atomic {
    core[0] = no_core;
    parked[0] = true;
    core[1] = no_core;
    parked[1] = true;
#if WORKERS > 2
    core[2] = no_core;
    parked[2] = true;
#endif
#if WORKERS > 3
    core[3] = no_core;
    parked[3] = true;
#endif
    run worker(0);
    run worker(1);
#if WORKERS > 2
    run worker(2);
#endif
#if WORKERS > 3
    run worker(3);
#endif
    run submitter()
  }
}

#ifdef LIVENESS
ltl all_end { <> (closing && ended == TOTAL && holders[0] + holders[CORES - 1] == 0) }
#endif
