// Algorithms on top of join and task_group. None has a grain to choose: what a fork costs, and splitting only where a
// thief is hungry, make one unnecessary.
#pragma once

#include <coppice/parallel_for.hpp>
#include <coppice/parallel_reduce.hpp>
#include <coppice/parallel_sort.hpp>
#include <coppice/walk_tree.hpp>
