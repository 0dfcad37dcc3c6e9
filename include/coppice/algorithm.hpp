// Algorithms on top of join and task_group. None has a grain to choose: a fork costs so little that a
// fixed number of leaves, more than any machine has cores, does not show.
#pragma once

#include <coppice/parallel_for.hpp>
#include <coppice/parallel_reduce.hpp>
#include <coppice/parallel_sort.hpp>
#include <coppice/walk_tree.hpp>
