// What every stream transport must do, as tests: instantiate StreamConformance for yours. Numbers
// are those of the project's list of behaviours.
#pragma once

#include "stream_abort_conformance.hpp"
#include "stream_bytes_conformance.hpp"
#include "stream_closing_conformance.hpp"
#include "stream_flow_conformance.hpp"
