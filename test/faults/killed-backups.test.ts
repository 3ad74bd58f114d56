/** The server killed at every failpoint of operations on backups. */
import { killingSuite } from './killing-suite.ts'

killingSuite(/-backups?$/)
