# How weft's folders become targets:
#
#   weft_library(<folder> HEADERS ... DETAIL ... SOURCES ... BACKEND_SOURCES ... TESTS ... USES ... LINKS ...)
#   weft_backend_sources(<folder> SOURCES ... LINKS ...)
#   weft_test(<name> [THREADS] SOURCES ... LINKS ...)
#   weft_umbrella(<folder>...)

# What every target of ours is compiled with, and nobody else's.
add_library(weft_build_options INTERFACE)
target_compile_options(
  weft_build_options
  INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU,Clang>:
            -Wall
            -Wextra
            -Wpedantic
            # In a batch of sources a name in one may hide another's, which nobody could see.
            $<$<NOT:$<BOOL:${WEFT_UNITY_BUILD}>>:-Wshadow>
            -Wnon-virtual-dtor
            -Wold-style-cast
            -Wcast-qual
            -Woverloaded-virtual
            -Wconversion
            -Wno-sign-conversion
            $<$<BOOL:${WEFT_WERROR}>:-Werror>>
            # What is compiled for a shared library may still be inlined inside of ours.
            $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-semantic-interposition>
            # GCC 12 follows a std::variant inside another or a std::optional wrongly.
            $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
if(WEFT_SANITIZE)
  target_compile_options(
    weft_build_options INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all
                                 -fno-omit-frame-pointer)
  target_link_options(weft_build_options INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
if(WEFT_COVERAGE)
  target_compile_options(weft_build_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(weft_build_options INTERFACE --coverage)
endif()

# Most of what a source costs is the same templates of headers, once more: sources that are compiled together
# share them. No more than a batch, so that two cores have work, and little memory is needed.
function(weft_unity_build target)
  if(WEFT_UNITY_BUILD)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
    # What stands before functions of others must not be seen by those who call them.
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "(allocation_counter|counted_calls|live_bytes)_test[.]cpp")
    set_source_files_properties(${sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    # A batch is a file that includes its sources, so that GCC takes their unnamed namespaces for those of headers.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

set(WEFT_FORWARDING_DIR "${PROJECT_BINARY_DIR}/include")

# Where test programs leave their results. Wine shows the host's root as drive Z.
set(WEFT_RESULTS_DIR "${PROJECT_BINARY_DIR}/test-results")
if(WIN32 AND CMAKE_CROSSCOMPILING)
  string(PREPEND WEFT_RESULTS_DIR "Z:")
endif()

# The tests alone, without examples and benchmarks.
add_custom_target(weft_tests)

# In the build tree <weft/folder/x.hpp> is one line that includes the real file by its real path.
function(weft_forward_headers folder)
  foreach(header IN LISTS ARGN)
    file(CONFIGURE OUTPUT "${WEFT_FORWARDING_DIR}/weft/${folder}/${header}"
         CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${header}\"\n" @ONLY)
  endforeach()
endfunction()

function(weft_install_headers folder)
  if(WEFT_INSTALL)
    foreach(header IN LISTS ARGN)
      cmake_path(GET header PARENT_PATH subfolder)
      install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/weft/${folder}/${subfolder}")
    endforeach()
  endif()
endfunction()

# Compiles the sources once for each Asio backend, with WEFT_BACKEND naming it, into weft_<folder>. Where a
# backend does something in its own way, the file with its name in front is taken instead: epoll_x.cpp for x.cpp.
function(weft_backend_sources folder)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  foreach(backend IN LISTS WEFT_BACKENDS)
    string(TOUPPER ${backend} upper)
    set(objects weft_${folder}_${backend})
    add_library(${objects} OBJECT)
    foreach(source IN LISTS arg_SOURCES)
      cmake_path(GET source PARENT_PATH directory)
      cmake_path(GET source FILENAME name)
      set(own "${directory}/${backend}_${name}")
      if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${own}")
        set(source "${own}")
      endif()
      target_sources(${objects} PRIVATE "${source}")
    endforeach()
    target_compile_features(${objects} PUBLIC cxx_std_20)
    target_compile_definitions(${objects} PRIVATE WEFT_BACKEND=${backend} WEFT_BACKEND_${upper}=1)
    target_link_libraries(${objects} PRIVATE weft_build_options ${arg_LINKS})
    set_target_properties(${objects} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    weft_unity_build(${objects})
    target_sources(weft_${folder} PRIVATE $<TARGET_OBJECTS:${objects}>)
    # The sources that are compiled once choose among the backends by these.
    target_compile_definitions(weft_${folder} PRIVATE WEFT_WITH_${upper}=1)
  endforeach()
endfunction()

# HEADERS are public and in <weft/weft.hpp>; DETAIL are installed because public ones include them;
# GTEST_HEADERS are public and need GoogleTest. USES are folders, LINKS other libraries.
function(weft_library folder)
  cmake_parse_arguments(
    arg "" "" "HEADERS;DETAIL;GTEST_HEADERS;SOURCES;BACKEND_SOURCES;TESTS;USES;LINKS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weft_library(${folder}): what is ${arg_UNPARSED_ARGUMENTS}?")
  endif()
  set(target weft_${folder})
  list(TRANSFORM arg_USES PREPEND weft::)

  if(arg_SOURCES OR arg_BACKEND_SOURCES)
    set(scope PUBLIC)
    add_library(${target} STATIC ${arg_SOURCES})
    target_link_libraries(
      ${target}
      PUBLIC ${arg_USES}
      PRIVATE ${arg_LINKS} $<BUILD_INTERFACE:weft_build_options>)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX CXX_EXTENSIONS OFF
                                               POSITION_INDEPENDENT_CODE ON)
    weft_unity_build(${target})
  else()
    set(scope INTERFACE)
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_USES})
  endif()
  add_library(weft::${folder} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${folder})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(
    ${target} ${scope} $<BUILD_INTERFACE:${WEFT_FORWARDING_DIR}>
                       $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  if(WIN32)
    target_compile_definitions(${target} ${scope} _WIN32_WINNT=0x0A00 WIN32_LEAN_AND_MEAN NOMINMAX)
  endif()
  if(arg_BACKEND_SOURCES)
    weft_backend_sources(${folder} SOURCES ${arg_BACKEND_SOURCES} LINKS ${arg_USES} ${arg_LINKS})
  endif()

  weft_forward_headers(${folder} ${arg_HEADERS} ${arg_DETAIL} ${arg_GTEST_HEADERS})
  weft_install_headers(${folder} ${arg_HEADERS} ${arg_DETAIL} ${arg_GTEST_HEADERS})
  set_property(GLOBAL PROPERTY WEFT_HEADERS_${folder} "${arg_HEADERS}")
  set_property(GLOBAL PROPERTY WEFT_GTEST_HEADERS_${folder} "${arg_GTEST_HEADERS}")

  if(WEFT_BUILD_TESTS AND arg_TESTS)
    weft_test(weft_${folder}_test THREADS SOURCES ${arg_TESTS} LINKS weft::${folder} weft::testing)
  endif()
endfunction()

# A GoogleTest program. It is run in shards, so that two cores share it and a time limit means something;
# each shard leaves its results in test-results/ for cmake/tally.py. Below the thread sanitizer only those are
# built and run that have THREADS, since it has nothing to say about one.
function(weft_test name)
  cmake_parse_arguments(arg "THREADS" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} weft::testing weft_build_options
                                        weft_testing_main)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
  weft_unity_build(${name})
  if(WEFT_SANITIZE MATCHES thread AND NOT arg_THREADS)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  add_dependencies(weft_tests ${name})

  set(shards 4)
  math(EXPR last "${shards} - 1")
  foreach(shard RANGE ${last})
    set(test "${name}.${shard}")
    add_test(NAME ${test} COMMAND ${name})
    set_tests_properties(
      ${test}
      PROPERTIES
        TIMEOUT 300
        ENVIRONMENT
        "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${shard};GTEST_OUTPUT=xml:${WEFT_RESULTS_DIR}/${test}.xml;UBSAN_OPTIONS=print_stacktrace=1"
    )
  endforeach()
endfunction()

# weft::weft, and <weft/weft.hpp>, which includes every public header of the folders.
function(weft_umbrella)
  add_library(weft_weft INTERFACE)
  add_library(weft::weft ALIAS weft_weft)
  set_target_properties(weft_weft PROPERTIES EXPORT_NAME weft)
  set(text "// All of weft except the test kit.\n#pragma once\n\n")
  foreach(folder IN LISTS ARGN)
    target_link_libraries(weft_weft INTERFACE weft::${folder})
    get_property(headers GLOBAL PROPERTY WEFT_HEADERS_${folder})
    foreach(header IN LISTS headers)
      string(APPEND text "#include \"${folder}/${header}\"\n")
    endforeach()
  endforeach()
  file(CONFIGURE OUTPUT "${WEFT_FORWARDING_DIR}/weft/weft.hpp" CONTENT "${text}" @ONLY)
  if(WEFT_INSTALL)
    install(FILES "${WEFT_FORWARDING_DIR}/weft/weft.hpp"
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/weft")
  endif()
endfunction()
