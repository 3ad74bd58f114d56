/** `globalTeardown` of jest. */
export { globalTeardown as default } from './setup.mts'
