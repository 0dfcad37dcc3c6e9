/* Standing still: a worker that blocks lends its core, another takes it when there is work, and who comes back
 * goes on at once. scheduler/worker/loans.cpp and what search, sleep and wake-up do for it, in steps.
 *
 * What the code does under the lock of `loans` is one step here; so is each access outside of it. Work is made
 * visible without the lock. One word counts searchers, sleepers and vacant cores.
 *
 *   lend      makes the private frames visible. Under the lock: if fewer than SPARES stand still, lets go of the
 *             core; else keeps it (a keeper). Then looks for work, and gives its own core away if it sees some.
 *   return    under the lock: takes its old core if nobody runs there or a sleeper does, who is parked where he
 *             sleeps; else another vacant core, or a sleeper's; else its old one as one too many. If there is a
 *             keeper, he lets go of his core first. Then looks for work.
 *   serve     under the lock: if there is a vacant core, nobody searches (or the core is the lender's own) and
 *             somebody is parked or can be made, counts him as a searcher and gives him the core. A worker that
 *             is made comes, or is refused (FAULTS), in a later step; he runs when he is told so, later again.
 *   wake      reads the word. Wakes a sleeper, else serves.
 *   search    parks if his core has one too many and that takes long, or nothing is to be found. Finds a frame,
 *             and wakes the next if he was the last searcher; or announces his sleep, looks again, and sleeps.
 *   park      under the lock, unless the crew has closed. Then counts as a searcher no more, and wakes the next
 *             if he was the last one.
 *   close     wakes all who sleep; then, under the lock, takes all who are parked; then lets these go on.
 *
 * Left out: more or fewer cores; private frames of others, and asking for them (parking.pml, loan_model.cpp);
 * forks of those who stand still. A transient value of the word within a locked part is not seen.
 *
 * Frames come from outside, one after the other. Each runs, or blocks for some time, or blocks until every frame
 * has begun; the first one to begin forks a private child before.
 *
 * Property: every frame begins and ends; every worker leaves after the crew has closed, and leaves no work; a
 * core is given to one worker at a time, so more than CORES workers run only after somebody came back to a core
 * in use; nobody runs or sleeps without a core, nobody sleeps where another runs; at the end nobody is counted.
 * Since frames wait for each other, a vacant core beside visible work and a worker who could have it is a
 * deadlock. Under weak fairness all of this happens (LIVENESS).
 *
 * MUTANT  1  a lender looks for work first and lets go of its core afterwards
 *         2  a lender keeps its private frames to itself
 *         3  who parks wakes nobody
 *         4  who is parked where he sleeps keeps to himself what he has seen
 *         5  a searcher on a core in use goes to sleep there
 *         6  the bound of those who stand still is looked at without the lock
 *         7  the one who comes back to a core in use is not counted there
 *         8  whoever submits wakes first and submits afterwards
 *         9  who parks does not look whether the crew has closed
 *        10  a core in use is given away
 *        11  who comes back does not take the core of one that had to keep his
 *        12  a vacant core is not counted in the word
 *        13  who is given a core by a lender is not told
 *        14  who is given a core runs before he counts as a searcher
 *        15  who is refused a worker wakes nobody (FAULTS)
 *        16  who is refused a worker wakes sleepers, but nobody who has parked meanwhile (FAULTS)
 *        17  a lender does not look for work
 *        18  a sleeper who is parked is not found among the parked
 *        19  a sleeper who is parked stays counted as asleep
 *        20  the crew closes without those who are parked
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
#ifndef FAULTS
#define FAULTS 0
#endif
#define WORKERS (CORES + SPARES)
#define TOTAL (SUBMITTED + 1)
#if MUTANT == 20
#define closes_parked false
#else
#define closes_parked true
#endif
#define nobody 9

mtype = { awake, asleep, being_woken, retired };
mtype resting[WORKERS];
byte held[CORES]; /* workers that run or sleep on a core, or are being made for it */
bool vacant[CORES];
byte core[WORKERS]; /* held, or held last */
bool holds[WORKERS];
bool parked[WORKERS];
bool keeps[WORKERS]; /* stands still on its core */
byte standing;
byte promised, made; /* spare workers; a promise is one that is made or being made */
byte surplus;        /* workers that came back to a core in use, and nobody has parked or lent for them */
bool closed;

byte searchers, sleepers, vacancies; /* the word */

byte work; /* visible frames */
byte started, ended;
byte waiting; /* frames that block until every frame has begun */
byte refused, left;
bool forked; /* the one child */
bool closing;

#define crowded(w) (held[core[w]] > 1)
#if MUTANT == 5
#define stays_for_crowd(w) false
#else
#define stays_for_crowd(w) crowded(w)
#endif
#if WORKERS == 2
#define someone_is_parked (parked[0] || parked[1])
#elif WORKERS == 3
#define someone_is_parked (parked[0] || parked[1] || parked[2])
#else
#define someone_is_parked (parked[0] || parked[1] || parked[2] || parked[3])
#endif
/* Where the system refuses a worker, what waits for others is not helped. */
#define in_vain (refused != 0 && vacancies != 0 && !someone_is_parked && sleepers + searchers == 0)
#define someone_to_wake (searchers == 0 && sleepers + vacancies != 0)

/* ---- under the lock, within a step */

inline set_vacant(c, v) {
  if
  :: vacant[c] != v ->
     vacant[c] = v;
#if MUTANT != 12
     if
     :: v -> vacancies++
     :: else -> vacancies--
     fi
#endif
  :: else
  fi
}

inline let_go(w) {
  assert(holds[w] && held[core[w]] != 0);
  holds[w] = false;
  held[core[w]]--;
  if
  :: held[core[w]] == 0 -> set_vacant(core[w], true)
  :: held[core[w]] != 0 && surplus != 0 -> surplus--
  :: else
  fi
}

inline hold(w, c) {
  assert(!holds[w]);
  set_vacant(c, false);
  core[w] = c;
  holds[w] = true;
  held[c]++
}

#if WORKERS == 2
#define all_holders (holds[0] + holds[1])
#elif WORKERS == 3
#define all_holders (holds[0] + holds[1] + holds[2])
#else
#define all_holders (holds[0] + holds[1] + holds[2] + holds[3])
#endif

inline check_cores() {
  assert(held[0] + (CORES > 1 -> held[CORES - 1] : 0) == all_holders + promised - made);
  assert(held[0] + (CORES > 1 -> held[CORES - 1] : 0) <= CORES + surplus)
}

/* d is the sleeper of core c who is parked, or WORKERS. */
inline displace_sleeper(c) {
  d = 0;
  do
  :: d < WORKERS && !(holds[d] && core[d] == c && resting[d] == asleep) -> d++
  :: else -> break
  od;
  if
  :: d < WORKERS ->
     resting[d] = retired;
#if MUTANT != 19
     sleepers--;
#endif
     let_go(d);
     parked[d] = (MUTANT != 18)
  :: else
  fi
}

/* ---- the way to somebody who can run: wake, serve. `own`: the lender's core, or `nobody`. */

#define SERVING \
  byte c, t, d, own = nobody, chosen = nobody; \
  bool may_make = true, woken, is_new, last

inline rouse(w) {
  if
  :: atomic { resting[w] == asleep -> resting[w] = being_woken }
     atomic { sleepers--; searchers++ }
     resting[w] = awake;
     woken = true
  :: resting[w] != asleep
  fi
}

inline wake_sleeper() {
  woken = false;
  if
  :: someone_to_wake && sleepers != 0 ->
     t = 0;
     do
     :: t < WORKERS && !woken -> rouse(t); t++
     :: else -> break
     od;
     t = 0
  :: else
  fi
}

inline serve() {
  do
  :: atomic {
       c = 0;
       if
#if MUTANT == 10
       :: closed || (own == nobody && !someone_to_wake) -> c = CORES
#else
       :: closed || vacancies == 0 || (own == nobody && !someone_to_wake) -> c = CORES
#endif
       :: else ->
          if
          :: own != nobody -> c = (vacant[own] -> own : CORES)
          :: else ->
             do
#if MUTANT != 10
             :: c < CORES && !vacant[c] -> c++
#endif
             :: else -> break
             od
          fi
       fi;
       t = 0;
       do
       :: t < WORKERS && !parked[t] -> t++
       :: else -> break
       od;
       if
       :: c < CORES && t < WORKERS ->
          parked[t] = false;
          hold(t, c);
          chosen = t;
#if MUTANT != 14
          searchers++
#endif
       :: c < CORES && t == WORKERS && may_make && promised < SPARES ->
          promised++;
          set_vacant(c, false);
          held[c]++;
          is_new = true;
          searchers++
       :: else
       fi;
       check_cores();
       own = nobody;
       t = 0
     }
     if
     :: is_new ->
        atomic {
          is_new = false;
          if
          :: chosen = CORES + made;
             made++;
             core[chosen] = c;
             holds[chosen] = true
          :: refused < FAULTS ->
             refused++;
             promised--;
             held[c]--;
             if
             :: held[c] == 0 -> set_vacant(c, true)
             :: held[c] != 0 && surplus != 0 -> surplus--
             :: else
             fi
          fi
        }
     :: else -> is_new = false; if :: chosen == nobody -> break :: else fi
     fi;
     if
     :: chosen != nobody ->
#if MUTANT != 13
        resting[chosen] = awake;
#endif
#if MUTANT == 14
        searchers++;
#endif
        atomic { chosen = nobody; c = 0; break }
     :: else ->
        atomic { searchers--; last = (searchers == 0) }
#if MUTANT == 15
        last = false;
#endif
        if
        :: last ->
           wake_sleeper();
#if MUTANT == 16
           break
#else
           if
           :: !woken -> may_make = false
           :: else -> break
           fi
#endif
        :: else -> break
        fi
     fi
  od;
  atomic { may_make = true; own = nobody; last = false; c = 0 }
}

inline wake_one() {
  if
  :: someone_to_wake ->
     wake_sleeper();
     if
     :: !woken -> serve()
     :: else
     fi;
     woken = false
  :: else
  fi
}

inline end_search() {
  atomic { searchers--; last = (searchers == 0) }
  if
  :: last -> last = false; wake_one()
  :: else
  fi
}

/* ---- a worker */

inline share_all() {
#if MUTANT != 2
  if
  :: private != 0 ->
     atomic { work = work + private; private = 0 }
     wake_one()
  :: else
  fi
#else
  skip
#endif
}

inline stand_still() {
  if
  :: true /* for some time */
  :: atomic { waiting < WORKERS - 1 -> waiting++ }
     atomic { started == TOTAL || in_vain -> waiting-- }
  fi
}

inline count_lender() {
  if
#if MUTANT == 6
  :: true ->
#else
  :: standing < SPARES ->
#endif
     standing++;
     assert(standing <= SPARES);
     let_go(me)
  :: else -> keeps[me] = true
  fi
}

inline look_for_work(lent) {
  if
  :: work != 0 -> own = lent; serve()
  :: work == 0
  fi
}

inline lend() {
  share_all();
#if MUTANT == 1
  look_for_work(core[me]);
#endif
#if MUTANT == 6
  if
  :: standing < SPARES -> atomic { count_lender() }
  :: standing == SPARES -> atomic { keeps[me] = true }
  fi;
#else
  atomic { count_lender() }
#endif
#if MUTANT != 1 && MUTANT != 17
  if
  :: !keeps[me] -> look_for_work(core[me])
  :: else
  fi
#endif
}

inline take_back() {
  atomic {
    if
    :: keeps[me] -> keeps[me] = false
    :: else ->
       standing--;
       t = WORKERS;
#if MUTANT != 11
       t = 0;
       do
       :: t < WORKERS && !(keeps[t] && core[t] == core[me]) -> t++
       :: else -> break
       od;
       if
       :: t == WORKERS ->
          t = 0;
          do
          :: t < WORKERS && !keeps[t] -> t++
          :: else -> break
          od
       :: else
       fi;
       if
       :: t < WORKERS -> keeps[t] = false; standing++; let_go(t)
       :: else
       fi;
#endif
       last = (t < WORKERS);
       t = 0;
       c = core[me];
       if
       :: held[c] == 0
       :: else ->
          displace_sleeper(c);
          if
          :: d == WORKERS && vacancies != 0 ->
             c = 0;
             do
             :: !vacant[c] -> c++
             :: else -> break
             od
          :: d == WORKERS && vacancies == 0 && sleepers != 0 ->
             c = 0;
             do
             :: c < CORES ->
                displace_sleeper(c);
                if
                :: d < WORKERS -> break
                :: else -> c++
                fi
             :: else -> c = core[me]; break
             od
          :: else
          fi
       fi;
       if
       :: held[c] != 0 -> surplus++
       :: else
       fi;
#if MUTANT == 7
       if
       :: held[c] != 0 -> holds[me] = true; core[me] = c
       :: else -> hold(me, c)
       fi;
#else
       hold(me, c);
#endif
       c = 0;
       d = 0;
       check_cores()
    fi
  }
  if
  :: last -> last = false; look_for_work(nobody)
  :: else
  fi
}

proctype worker(byte me) {
  SERVING;
  byte private;
  if
  :: atomic { resting[me] == awake && holds[me] -> if :: me < CORES -> searchers++ :: else fi }
  :: atomic { closed && me >= CORES + promised -> goto leave } /* never made */
  fi;
search:
  if
  :: crowded(me) -> goto retire /* for long */
  :: true
  fi;
found:
  if
  :: atomic { private != 0 -> private-- }
     end_search();
     goto begin
  :: atomic { private == 0 && work != 0 -> work-- }
     end_search();
     goto begin
  :: private == 0 && work == 0
  fi;
  if
  :: closing -> atomic { searchers--; goto leave }
#if MUTANT == 5
  :: !closing
#else
  :: !closing && crowded(me) -> goto retire
  :: !closing && !crowded(me)
#endif
  fi;

  /* sleep */
  resting[me] = asleep;
  atomic { searchers--; sleepers++ }
  if
  :: work != 0 || closing || stays_for_crowd(me) ->
     if
     :: atomic { resting[me] == asleep -> resting[me] = awake }
        atomic { sleepers--; searchers++ }
#if MUTANT == 4
     :: resting[me] != asleep
#else
     :: resting[me] == retired -> wake_one()
     :: resting[me] != asleep && resting[me] != retired
#endif
     fi
  :: else
  fi;
  if
  :: resting[me] == asleep -> assert(resting[me] != asleep || held[core[me]] == 1)
  :: resting[me] != asleep
  fi;
  resting[me] == awake;
  goto search;

retire:
  share_all();
  atomic {
    if
#if MUTANT == 9
    :: held[core[me]] < 2 -> last = false
#else
    :: closed || held[core[me]] < 2 -> last = false
#endif
    :: else ->
       let_go(me);
       resting[me] = retired;
       parked[me] = true;
       last = true
    fi
  }
  if
  :: last ->
     last = false;
#if MUTANT == 3
     searchers--;
#else
     end_search();
#endif
     resting[me] == awake
  :: else
  fi;
  goto found;

begin:
  atomic {
    assert(holds[me] && held[core[me]] != 0 && resting[me] == awake);
    started++;
    if
    :: !forked -> forked = true; private++
    :: else
    fi
  }
  if
  :: true
  :: true -> /* the guard keeps apart the choices that lend() begins with */
     lend();
     stand_still();
     take_back()
  fi;
  ended++;
  /* The next one of its own, unless it is one too many for long. */
  if
  :: atomic { private != 0 -> private--; goto begin }
  :: private == 0 || crowded(me) -> searchers++; goto search
  fi;
leave:
  atomic { assert(private == 0 && work == 0); left++ }
}

proctype outside() {
  SERVING;
  byte n;
  bool leaving[WORKERS];
  do
  :: n < SUBMITTED ->
#if MUTANT == 8
     wake_one();
     work++;
#else
     work++;
     wake_one();
#endif
     n++
  :: else -> break
  od;
  /* The stop: it may have been asked for at any time, and waits until the last frame has ended. */
  ended == TOTAL;
  closing = true;
  n = 0;
  do
  :: n < WORKERS -> rouse(n); n++
  :: else -> break
  od;
  atomic {
    closed = true;
    n = 0;
    do
    :: n < WORKERS -> leaving[n] = parked[n] && closes_parked; parked[n] = false; n++
    :: else -> break
    od
  }
  promised == made; /* those that are being made come first */
  n = 0;
  do
  :: n < WORKERS ->
     if
     :: leaving[n] -> searchers++; resting[n] = awake
     :: else
     fi;
     n++
  :: else -> break
  od;
  left == WORKERS;
  assert(searchers == 0 && sleepers == 0 && work == 0 && ended == TOTAL)
}

init {
  byte w;
  atomic {
    w = 0;
    do
    :: w < WORKERS ->
       if
       :: w < CORES -> resting[w] = awake; core[w] = w; holds[w] = true; held[w] = 1
       :: else -> resting[w] = retired
       fi;
       w++
    :: else -> break
    od;
    w = 0;
    run worker(0);
    run worker(1);
#if WORKERS > 2
    run worker(2);
#endif
#if WORKERS > 3
    run worker(3);
#endif
    run outside()
  }
}

#ifdef LIVENESS
ltl all_end { <> (closed && ended == TOTAL && searchers + sleepers == 0) }
#endif
