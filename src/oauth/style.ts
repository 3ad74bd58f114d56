/** The one style sheet of the sign-in pages. `Html` is not needed: nothing is filled in. */
import { Html } from './html.ts'

export const styleText = `
:root{color-scheme:light dark;--ground:#f3f6f8;--card:#fff;--ink:#16222b;--soft:#51626e;--line:#8496a3;--deep:#0b5f74;--on:#fff;--bad:#9c1f1f;--badground:#fdeceb}
@media (prefers-color-scheme:dark){:root{--ground:#0f171d;--card:#18232b;--ink:#e9f0f4;--soft:#a9bac5;--line:#6c808e;--deep:#5cc3d9;--on:#07222a;--bad:#ffb3ad;--badground:#3a1c1c}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{width:100%;max-width:26rem;background:var(--card);border-radius:.75rem;padding:2rem;box-shadow:0 1px 2px #0003,0 8px 24px #0001}
.mark{display:flex;align-items:center;gap:.5rem;margin:0 0 1.25rem;font-weight:600;color:var(--deep)}
h1{font-size:1.375rem;line-height:1.25;margin:0 0 .75rem}
p{margin:0 0 1rem}
.soft{color:var(--soft);font-size:.9375rem}
label{display:block;font-weight:600;margin:0 0 .25rem}
input{display:block;width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.5rem;padding:.625rem .75rem;margin:0 0 1rem}
input.code{font:600 1.375rem/1.3 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;letter-spacing:.08em;text-align:center;text-transform:uppercase}
.hint{color:var(--soft);font-size:.875rem;margin:-.75rem 0 1rem}
button{font:inherit;font-weight:600;cursor:pointer;width:100%;border-radius:.5rem;padding:.6875rem 1rem;border:1px solid var(--deep);background:var(--deep);color:var(--on)}
button.second{background:transparent;color:var(--deep);margin-top:.625rem}
button:hover{filter:brightness(1.08)}
:focus-visible{outline:3px solid var(--deep);outline-offset:2px}
.alert{background:var(--badground);color:var(--bad);border-radius:.5rem;padding:.625rem .75rem}
.code-shown{font:600 1.75rem/1.3 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;letter-spacing:.08em;text-align:center;margin:0 0 1rem}
form+p{margin:1.25rem 0 0}
strong{overflow-wrap:anywhere}
@media (forced-colors:active){button,input,main{border:1px solid}}
`

export const style = new Html(styleText)
