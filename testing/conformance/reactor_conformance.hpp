// What every reactor must do, as tests: instantiate ReactorConformance for yours. Numbers are those
// of the project's list of behaviours.
#pragma once

#include "reactor_connecting_conformance.hpp"
#include "reactor_listening_conformance.hpp"
#include "reactor_pausing_conformance.hpp"
#include "reactor_start_stop_conformance.hpp"
#include "reactor_threads_conformance.hpp"
#include "reactor_timers_conformance.hpp"
#include "reactor_watching_conformance.hpp"
