/** `globalTeardown` of jest. */
export { end as default } from './setup.mts'
