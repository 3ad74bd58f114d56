/** The server killed at every failpoint of operations on roles and databases. */
import { killingSuite } from './killing-suite.ts'

killingSuite(/-(role|database)$/)
