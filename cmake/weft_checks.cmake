# What a machine can hold about the repository is held as tests beside the unit tests. One ordinary tree
# is enough for them: the sanitized and the cross-compiled ones do without.
if(WEFT_SANITIZE OR WEFT_COVERAGE OR NOT WEFT_INSTALL)
  return()
endif()
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

add_test(NAME layers COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/cmake/check_includes.py"
                             "${PROJECT_SOURCE_DIR}")
add_test(NAME docs COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/cmake/check_snippets.py"
                           "${PROJECT_SOURCE_DIR}")
add_test(
  NAME rules_of_the_checks
  COMMAND Python3::Interpreter -m unittest discover -s "${PROJECT_SOURCE_DIR}/cmake" -p "*_test.py")

set(headers "")
set(gtest_headers "")
foreach(folder framework transports reactor protocols testing)
  get_property(names GLOBAL PROPERTY WEFT_HEADERS_${folder})
  list(TRANSFORM names PREPEND "weft/${folder}/")
  list(APPEND headers ${names})
  get_property(names GLOBAL PROPERTY WEFT_GTEST_HEADERS_${folder})
  list(TRANSFORM names PREPEND "weft/${folder}/")
  list(APPEND gtest_headers ${names})
endforeach()
add_test(
  NAME headers_alone
  COMMAND
    Python3::Interpreter "${PROJECT_SOURCE_DIR}/cmake/check_headers.py" --compiler
    "${CMAKE_CXX_COMPILER}" --include "${WEFT_FORWARDING_DIR}" --scratch
    "${PROJECT_BINARY_DIR}/headers-alone" ${headers} --with-gtest ${gtest_headers})

add_test(
  NAME installed
  COMMAND
    Python3::Interpreter "${PROJECT_SOURCE_DIR}/cmake/check_installed.py" --build
    "${PROJECT_BINARY_DIR}" --source "${PROJECT_SOURCE_DIR}" --compiler "${CMAKE_CXX_COMPILER}")

set_tests_properties(layers docs rules_of_the_checks PROPERTIES TIMEOUT 60)
set_tests_properties(headers_alone installed PROPERTIES TIMEOUT 400)
