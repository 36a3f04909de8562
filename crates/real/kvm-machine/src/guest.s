// The guest's code. It runs at its own copy in the block `program`, so it refers to nothing
// outside.
//
// Registers of the loop at CPL 3:
//   rbx  number of writes done
//   rbp  page of the next write
//   rsi  writes left in this round, rdi  number of the round
//   r8   writes that found an unexpected word, r9  what else was unexpected, as bits
//   r10  time of the next line, r13  last time seen, r14  time of the next write
//   r15  this vCPU's page
//   xmm0 sum of the values written, xmm2  last time seen of KVM's clock
// rax, rcx, rdx, r11, r12 and xmm1 are free.
//
// The offsets in the vCPU's page and the vectors are operands, so that layout.rs alone has them.

// rax = mix(rax), of machine's workload.rs; changes rdx.
.macro lastref_kvm_mix
    mov rdx, 0x9e3779b97f4a7c15
    add rax, rdx
    mov rdx, rax
    shr rdx, 30
    xor rax, rdx
    mov rdx, 0xbf58476d1ce4e5b9
    imul rax, rdx
    mov rdx, rax
    shr rdx, 27
    xor rax, rdx
    mov rdx, 0x94d049bb133111eb
    imul rax, rdx
    mov rdx, rax
    shr rdx, 31
    xor rax, rdx
.endm

// rax = the time stamp counter; changes rdx.
.macro lastref_kvm_now
    rdtsc
    shl rdx, 32
    or rax, rdx
.endm

.pushsection .rodata.lastref_kvm_guest, "a", @progbits
.balign 16
.globl lastref_kvm_guest_start
.globl lastref_kvm_guest_stored
.globl lastref_kvm_guest_sleep
.globl lastref_kvm_guest_timer
.globl lastref_kvm_guest_pit
.globl lastref_kvm_guest_end
lastref_kvm_guest_start:

2:  // Once per burst of writes.
    lastref_kvm_now
    cmp rax, r13
    jae 3f
    or r9, {TSC_WENT_BACK}
3:  mov r13, rax
    cmp qword ptr [r15 + {LINE}], 0
    je 4f
    cmp rax, r10
    jae 20f
4:  cmp rax, r14
    jb 40f
    // Time that it could not run for is lost, as for a real CPU.
    mov rdx, rax
    sub rdx, r14
    cmp rdx, [r15 + {CATCH_UP}]
    jbe 5f
    mov r14, rax
5:  mov r12d, 64

6:  // One write: rcx = its place.
    mov rdx, rdi
    and edx, 511
    mov rcx, rbp
    shl rcx, 12
    lea rcx, [rcx + rdx * 8]
    add rcx, [r15 + {BASE}]
    // rax = the word that must be there.
    cmp rdi, 512
    jb 7f
    mov rax, [r15 + {PAGES}]
    shl rax, 9
    neg rax
    add rax, rbx
    lastref_kvm_mix
    xor rax, [r15 + {SEED}]
    lastref_kvm_mix
    jmp 9f
7:  mov rax, rbp
    not rax
    lastref_kvm_mix
    xor rax, [r15 + {SEED}]
    lastref_kvm_mix
    mov rdx, rax
    and edx, 7
    cmp edx, 2
    je 9f
    ja 8f
    xor eax, eax
    jmp 9f
8:  add rax, rdi
    lastref_kvm_mix
9:  cmp rax, [rcx]
    je 13f
    inc r8
13: mov rax, rbx
    lastref_kvm_mix
    xor rax, [r15 + {SEED}]
    lastref_kvm_mix
    mov [rcx], rax
lastref_kvm_guest_stored:
    // A vCPU that stops here has stored and not counted it.
    inc rbx
    movq xmm1, rax
    paddq xmm0, xmm1
    add rbp, [r15 + {STRIDE}]
    cmp rbp, [r15 + {PAGES}]
    jb 14f
    sub rbp, [r15 + {PAGES}]
14: dec rsi
    jnz 12f
    mov rsi, [r15 + {PAGES}]
    inc rdi
12: add r14, [r15 + {INTERVAL}]
    dec r12d
    jz 2b
    cmp r14, r13
    jbe 6b
    jmp 2b

20: // What an incomplete move would have left behind; then one line.
    add r10, [r15 + {LINE}]
    cmp r10, rax
    jae 21f
    mov r10, rax
21: mov rdx, [r15 + {TSC_AUX}]
    test rdx, rdx
    jz 22f
    lea r11, [rdx - 1]
    rdtscp
    cmp rcx, r11
    je 22f
    or r9, {WRONG_TSC_AUX}
22: mov r11, [r15 + {XCR0}]
    test r11, r11
    jz 23f
    xor ecx, ecx
    xgetbv
    shl rdx, 32
    or rax, rdx
    cmp rax, r11
    je 23f
    or r9, {WRONG_XCR0}
23: // KVM's clock: Documentation/virt/kvm/x86/msr.rst. An odd version is being changed.
    mov r11d, [r15 + {CLOCK}]
    test r11d, r11d
    jz 28f
    test r11d, 1
    jnz 23b
    lastref_kvm_now
    sub rax, [r15 + {CLOCK} + 8]
    mov cl, [r15 + {CLOCK} + 28]
    test cl, cl
    js 24f
    shl rax, cl
    jmp 25f
24: neg cl
    shr rax, cl
25: mov edx, [r15 + {CLOCK} + 24]
    mul rdx
    shrd rax, rdx, 32
    add rax, [r15 + {CLOCK} + 16]
    cmp r11d, [r15 + {CLOCK}]
    jne 23b
    movq rdx, xmm2
    cmp rax, rdx
    jae 26f
    or r9, {CLOCK_WENT_BACK}
26: movq xmm2, rax
28: // The doorbell: the device counts, and stores the count to its page.
    mov r11, [r15 + {RINGS}]
    cmp r11, qword ptr ds:[{DOORBELL}]
    je 29f
    or r9, {STALE_DOORBELL}
29: inc r11
    mov [r15 + {RINGS}], r11
    mov edx, {DOORBELL_PORT}
    out dx, al
    cmp r11, qword ptr ds:[{DOORBELL}]
    je 30f
    or r9, {STALE_DOORBELL}
30: // The line: the number of writes, a space, the sum, a newline.
    mov edx, {SERIAL_PORT}
    mov rcx, rbx
    mov r12d, 16
31: rol rcx, 4
    mov eax, ecx
    and eax, 15
    add eax, '0'
    cmp eax, '9'
    jbe 32f
    add eax, 'a' - '0' - 10
32: out dx, al
    dec r12d
    jnz 31b
    mov eax, ' '
    out dx, al
    movq rcx, xmm0
    mov r12d, 16
33: rol rcx, 4
    mov eax, ecx
    and eax, 15
    add eax, '0'
    cmp eax, '9'
    jbe 34f
    add eax, 'a' - '0' - 10
34: out dx, al
    dec r12d
    jnz 33b
    mov eax, 10
    out dx, al
    jmp 2b

40: // Sleeps until the next write is due, at least for a tick, and at most until the next line.
    mov rcx, rax
    add rcx, [r15 + {TICK}]
    mov rax, r14
    cmp rax, rcx
    cmovb rax, rcx
    cmp qword ptr [r15 + {LINE}], 0
    je 41f
    cmp r10, rax
    jae 41f
    mov rax, r10
41: ud2
    jmp 2b

// CPL 0, by `ud2`, with interrupts off: waits for an interrupt at the time in rax. It returns
// behind the `ud2`.
.balign 16
lastref_kvm_guest_sleep:
    add qword ptr [rsp], 2
    mov rdx, rax
    shr rdx, 32
    mov ecx, {IA32_TSC_DEADLINE}
    wrmsr
    sti
    hlt
    iretq

// CPL 0: the interrupt of the LAPIC's timer.
.balign 16
lastref_kvm_guest_timer:
50: push rax
    push rcx
    push rdx
    xor eax, eax
    xor edx, edx
    mov ecx, {X2APIC_EOI}
    wrmsr
    pop rdx
    pop rcx
    pop rax
    iretq

// CPL 0: the interrupt of the PIT.
.balign 16
lastref_kvm_guest_pit:
    inc qword ptr [r15 + {PIT_TICKS}]
    jmp 50b
lastref_kvm_guest_end:
.popsection
